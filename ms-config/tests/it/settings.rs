use ms_config::{Compat, Config, Mode, Settings};

#[test]
fn the_environment_is_read_by_name() {
    let (settings, problems) = from(&[
        ("MYSQL_MS_ENABLE", "1"),
        ("MYSQL_MS_CONFIG_FILE", "/etc/ms.json"),
        ("MYSQL_MS_MULTI_MASTER", "on"),
        ("MYSQL_MS_DISABLE_RW_SPLIT", "TRUE"),
        ("MYSQL_MS_FORCE_CONFIG_USAGE", "no"),
        ("MYSQL_MS_COLLECT_STATISTICS", "off"),
        ("MYSQL_MS_COMPAT", "classic"),
        ("MYSQL_MS_MODE", "primary-only"),
    ]);
    assert!(problems.is_empty(), "{problems:?}");
    let expected = Settings {
        enable: Some(true),
        config_file: Some("/etc/ms.json".to_owned()),
        multi_master: Some(true),
        disable_rw_split: Some(true),
        force_config_usage: Some(false),
        collect_statistics: Some(false),
        compat: Some(Compat::Classic),
        mode: Some(Mode::PrimaryOnly),
    };
    assert_eq!(settings, expected);
}

#[test]
fn an_empty_variable_is_not_set() {
    let (settings, problems) = from(&[("MYSQL_MS_ENABLE", ""), ("MYSQL_MS_COMPAT", "")]);
    assert_eq!((settings, problems.len()), (Settings::default(), 0));
}

#[test]
fn all_bad_values_are_reported() {
    let (settings, problems) = from(&[("MYSQL_MS_ENABLE", "maybe"), ("MYSQL_MS_COMPAT", "strct")]);
    assert_eq!(settings, Settings::default());
    let rendered: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        rendered,
        [
            "environment: error: MYSQL_MS_ENABLE: invalid value `maybe`; accepted: true or false, 1 or 0, on or off",
            "environment: error: MYSQL_MS_COMPAT: invalid value `strct`; accepted: `classic`, `strict`; \
             did you mean `strict`?",
        ]
    );
}

#[test]
fn code_wins_over_environment_over_section_over_default() {
    let section = r#", "compat": "classic", "collect_statistics": true"#;
    let environment = Settings { compat: Some(Compat::Strict), disable_rw_split: Some(true), ..Settings::default() };
    let code = Settings { disable_rw_split: Some(false), ..Settings::default() };

    let outer = code.or(&environment);
    let parsed = Config::parse_file("ms.json", &super::shop(section), &outer);
    let switches = parsed.config.section("shop").expect("the section").switches;
    assert!(!switches.disable_rw_split, "code");
    assert_eq!(switches.compat, Compat::Strict, "environment");
    assert!(switches.collect_statistics, "section");
    assert!(switches.enable && !switches.multi_master, "default");
}

#[test]
fn a_mode_is_one_of_four_names() {
    for (name, mode) in
        [("primary_only", Mode::PrimaryOnly), ("Observe", Mode::Observe), ("opt-in", Mode::OptIn), ("auto", Mode::Auto)]
    {
        let section = super::accepted(&super::shop(&format!(r#", "mode": "{name}""#)));
        assert_eq!(section.switches.mode, mode);
        assert_eq!(from(&[("MYSQL_MS_MODE", name)]).0.mode, Some(mode));
    }
    assert_eq!(super::accepted(&super::shop("")).switches.mode, Mode::Auto);
    super::refused(&super::shop(r#", "mode": "observ""#), "unknown mode `observ`; accepted: `primary_only`");
    super::refused(&super::shop(r#", "mode": "observ""#), "did you mean `observe`?");
    super::refused(&super::shop(r#", "mode": true"#), "accepted: `primary_only`, `observe`, `opt_in`, `auto`");
    let (settings, problems) = from(&[("MYSQL_MS_MODE", "primary")]);
    assert_eq!((settings.mode, problems.len()), (None, 1));
}

#[test]
fn the_environment_alone_can_pull_the_brake() {
    let check = |code, environment, expected| {
        let settings = |mode| Settings { mode, ..Settings::default() };
        assert_eq!(settings(code).above_environment(&settings(environment)).mode, expected);
    };
    check(Some(Mode::Auto), Some(Mode::PrimaryOnly), Some(Mode::PrimaryOnly));
    check(Some(Mode::Observe), Some(Mode::PrimaryOnly), Some(Mode::PrimaryOnly));
    check(Some(Mode::PrimaryOnly), Some(Mode::Auto), Some(Mode::PrimaryOnly));
    check(Some(Mode::OptIn), Some(Mode::Auto), Some(Mode::OptIn));
    check(None, Some(Mode::Observe), Some(Mode::Observe));
    check(None, None, None);
}

fn from(vars: &[(&str, &str)]) -> (Settings, Vec<ms_config::Diagnostic>) {
    Settings::from_vars(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}
