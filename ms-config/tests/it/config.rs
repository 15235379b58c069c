use expect_test::{Expect, expect};
use ms_config::{Config, SectionError, Settings};

#[test]
fn a_broken_section_does_not_break_the_others() {
    let parsed = Config::parse(r#"{"bad": {}, "good": {"master": [{"host": "a"}], "slave": []}, "worse": 1}"#);
    assert_eq!(parsed.config.names().collect::<Vec<_>>(), ["bad", "good", "worse"]);
    assert_eq!(parsed.config.sections().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["good"]);
    let Err(SectionError::Broken(bad)) = parsed.config.section("bad") else { panic!("not broken") };
    assert_eq!((bad.name.as_str(), bad.errors.len()), ("bad", 2));
    let Err(SectionError::Broken(worse)) = parsed.config.section("worse") else { panic!("not broken") };
    assert_eq!(worse.errors.len(), 1);
}

#[test]
fn names_are_matched_byte_for_byte() {
    let parsed = Config::parse(&super::shop(""));
    assert!(parsed.config.section("shop").is_ok());
    assert!(parsed.config.section("Shop").is_err());
    assert!(parsed.config.section("").is_err());
}

#[test]
fn an_unknown_section_is_told_what_there_is() {
    check_unknown("shpo", "{}", &expect!["no section `shpo` in `<text>`, which has no sections"]);
    check_unknown("shpo", r#"{"shop": {}}"#, &expect!["no section `shpo` in `<text>`; did you mean `shop`?"]);
    check_unknown("x", r#"{"shop": {}, "blog": {}}"#, &expect!["no section `x` in `<text>`; it has `shop`, `blog`"]);
    let many: Vec<_> = (0..12).map(|it| format!("\"section {it}\": {{}}")).collect();
    check_unknown(
        "x",
        &format!("{{{}}}", many.join(",")),
        &expect![
            "no section `x` in `<text>`; it has `section 0`, `section 1`, `section 2`, `section 3`, `section 4`, `section 5`, `section 6`, `section 7`, `section 8`, `section 9` and 2 more"
        ],
    );
}

#[test]
fn with_force_config_usage_the_original_words_are_used() {
    let settings = Settings { force_config_usage: Some(true), ..Settings::default() };
    let text = "Exclusive usage of configuration enforced but did not find the correct INI file section (shop)";
    for file in ["{}", "{\"shop\": {\"master\":", ""] {
        let error = Config::parse_file("ms.json", file, &settings).config.section("shop").expect_err("no section");
        assert!(error.to_string().starts_with(text), "{error}");
        let error = Config::parse(file).config.section("shop").expect_err("no section");
        assert!(!error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_reported_once() {
    check_unreadable(
        b"",
        &expect![
            "ms.json:1:1: error: Config file [ms.json] is empty. If this is not by mistake, please add some minimal JSON to it to prevent this warning. For example, use '{}' "
        ],
    );
    check_unreadable(
        b"null",
        &expect![
            "ms.json:1:1: error: Failed to parse config file [ms.json]. Please, verify the JSON: `null` is no configuration"
        ],
    );
    check_unreadable(
        b"{\"a\": {\n  \"b\": 1,\n}}",
        &expect![
            "ms.json:2:9: error: Failed to parse config file [ms.json]. Please, verify the JSON: a comma must be followed by another entry"
        ],
    );
    check_unreadable(
        "{\"ä\": 1, // no".as_bytes(),
        &expect![
            "ms.json:1:10: error: Failed to parse config file [ms.json]. Please, verify the JSON: comments are not allowed in JSON"
        ],
    );
    check_unreadable(b"[]", &expect!["ms.json:1:1: error: must be an object whose keys are the names of sections"]);
    check_unreadable(
        b"{\n\"\xff",
        &expect![
            "ms.json:2:2: error: Failed to parse config file [ms.json]. Please, verify the JSON: it is not UTF-8 from here on; save it as UTF-8"
        ],
    );
    check_unreadable(
        "\u{feff}{}".as_bytes(),
        &expect![
            "ms.json:1:1: error: Failed to parse config file [ms.json]. Please, verify the JSON: the text starts with a byte order mark; save it as UTF-8 without one"
        ],
    );
}

#[test]
fn depth_is_bounded_before_anything_recurses() {
    for (open, close, accepted, refused) in [("[", "]", 500, 513), ("{\"a\":", "}", 250, 257), ("[", "", 0, 10_000_000)]
    {
        let nested = |depth: usize| format!("{{\"x\": {}1{}}}", open.repeat(depth), close.repeat(depth));
        let too_deep = |text: &str| super::rendered(&Config::parse(text)).contains("values are nested too deeply");
        assert!(!too_deep(&nested(accepted)), "{open} {accepted}");
        assert!(too_deep(&nested(refused)), "{open} {refused}");
    }
}

#[test]
fn problems_can_be_had_by_section() {
    let text = r#"{"shop": {}, "shop2": 1, "a.b": {"x": 1}, "a": {"x": 1, "y": 1}}"#;
    let parsed = Config::parse(text);
    let count = |name: &str| parsed.of_section(name).count();
    assert_eq!([count("shop"), count("shop2"), count("a.b"), count("a"), count("b")], [2, 1, 3, 4, 0]);
}

#[test]
fn an_empty_object_is_fine() {
    let parsed = Config::parse("{}");
    assert!(parsed.diagnostics.is_empty());
    assert_eq!(parsed.config.names().len(), 0);
}

#[track_caller]
fn check_unknown(name: &str, text: &str, expected: &Expect) {
    let error = Config::parse(text).config.section(name).expect_err("no section");
    assert!(matches!(error, SectionError::Unknown(_)));
    expected.assert_eq(&error.to_string());
}

#[track_caller]
fn check_unreadable(bytes: &[u8], expected: &Expect) {
    let parsed = Config::parse_bytes("ms.json", bytes, &Settings::default());
    let [only] = &parsed.diagnostics[..] else { panic!("{:?}", parsed.diagnostics) };
    expected.assert_eq(&only.to_string());
    let error = parsed.config.section("shop").expect_err("no section");
    assert_eq!(error.to_string(), only.to_string());
}
