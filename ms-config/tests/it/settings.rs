use ms_config::{Compat, Config, Settings};

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

fn from(vars: &[(&str, &str)]) -> (Settings, Vec<ms_config::Diagnostic>) {
    Settings::from_vars(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}
