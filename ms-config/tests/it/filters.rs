use ms_config::{Config, Eventual, Filter, Json, OwnFilters, Parsed, Section, ServiceLevel, Settings};

use super::{accepted, refused, refused_with, rendered, warned};

#[test]
fn without_filters_the_first_random_choice_is_kept() {
    for more in ["", r#", "filters": {}"#, r#", "filters": []"#, r#", "filters": null"#] {
        assert_eq!(accepted(&super::shop(more)).filters, [Filter::Random { sticky: true, weights: None }]);
    }
}

#[test]
fn a_listed_random_is_not_sticky() {
    let not_sticky = [Filter::Random { sticky: false, weights: None }];
    for filters in [r#"["random"]"#, r#"{"random": {}}"#, r#"{"RANDOM": []}"#, r#"{"random": {"sticky": "off"}}"#] {
        assert_eq!(chain(filters), not_sticky, "{filters}");
    }
    assert_eq!(chain(r#"{"random": {"sticky": 1}}"#), [Filter::Random { sticky: true, weights: None }]);
    assert_eq!(chain(r#"["RoundRobin"]"#), [Filter::RoundRobin { weights: None }]);
}

#[test]
fn narrowing_filters_come_before_the_one_that_picks() {
    let chain = chain(
        r#"{"user_multi": {"callback": "narrow"},
            "quality_of_service": {"session_consistency": 1},
            "node_groups": {"A": {"master": ["m"], "slave": ["s"]}},
            "user": {"callback": "pick"}}"#,
    );
    let names: Vec<_> = chain.iter().map(Filter::name).collect();
    assert_eq!(names, ["user_multi", "quality_of_service", "node_groups", "user"]);
    assert_eq!(chain[3], Filter::User { callback: "pick".to_owned() });
    assert_eq!(chain.iter().map(Filter::picks).collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn nothing_may_follow_a_filter_that_picks() {
    let text = "Error while creating filter 'roundrobin' . Non-multi filter 'random' already created. Stopping";
    check(r#"{"random": {}, "roundrobin": {}}"#, text);
    check(r#"["random", "roundrobin"]"#, text);
    check(r#"["random", "random"]"#, "Non-multi filter 'random' already created. Stopping");
    check(
        r#"{"user": {"callback": "f"}, "quality_of_service": {"strong_consistency": 1}}"#,
        "Error while creating filter 'quality_of_service' . Non-multi filter 'user' already created. Stopping",
    );
}

#[test]
fn the_last_filter_must_pick() {
    let text = "Error in configuration. Last filter is multi filter. Needs to be non-multi one. Stopping";
    check(r#"{"node_groups": {"A": {"master": ["m"]}}}"#, text);
    check(r#"{"quality_of_service": {"strong_consistency": 1}}"#, text);
}

#[test]
fn names_must_be_known() {
    check(r#"["ulf"]"#, "Unknown filter 'ulf' . Stopping");
    check(r#"{"ulf": {}}"#, "Unknown filter 'ulf' . Stopping");
    check(r#"{"random": {}, "1": {}}"#, "Unknown filter '1' . Stopping");
    check(r#"["random", {"a": 1}]"#, "Unknown filter '1' . Stopping");
    check(r#"[""]"#, "Error loading filters. Filter with empty name found");
    check(r#"[null]"#, "Error loading filters. Filter with empty name found");
    check(r#"{"": {}}"#, "Error loading filters. Filter with empty name found");
    check(r#"["round_robin"]"#, "did you mean `roundrobin`?");
    check(r#""random""#, "`filters` must be an object or an array of names");
}

#[test]
fn some_filters_need_arguments() {
    check(r#"["user"]"#, "Error while creating filter 'user' . Stopping");
    check(r#"["node_groups", "random"]"#, "Error while creating filter 'node_groups' . Stopping");
    check(r#"{"quality_of_service": 1, "random": {}}"#, "Error while creating filter 'quality_of_service' . Stopping");
    let callback = "Error by creating filter 'user', can't find section 'callback' . Stopping.";
    check(r#"{"user": {}}"#, callback);
    check(r#"{"user_multi": {}, "roundrobin": {}}"#, callback);
    check(r#"{"user": {"callback": ["a", "b"]}}"#, "must be a text");
}

#[test]
fn arguments_that_mean_nothing_are_warned_of() {
    warned(&with(r#"{"random": 1}"#), "the arguments of `random` must be an object");
    warned(&with(r#"{"random": {"stiky": 1}}"#), "did you mean `sticky`?");
    warned(&with(r#"{"roundrobin": {"sticky": 1}}"#), "unknown key `sticky` is ignored");
}

#[test]
fn weights_have_two_spellings_and_cover_all_servers() {
    for (filter, key) in
        [("random", "weights"), ("random", "weight"), ("roundrobin", "weights"), ("roundrobin", "weight")]
    {
        let chain = chain(&format!(r#"{{"{filter}": {{"{key}": {{"s": "3", "m": 65535}}}}}}"#));
        let (Filter::Random { weights, .. } | Filter::RoundRobin { weights }) = &chain[0] else { panic!("{chain:?}") };
        let weights = weights.as_ref().expect("weights");
        assert_eq!(weights.primaries.iter().map(|it| it.get()).collect::<Vec<_>>(), [65535]);
        assert_eq!(weights.replicas.iter().map(|it| it.get()).collect::<Vec<_>>(), [3]);
    }
    assert_eq!(chain(r#"{"random": {"weights": {}}}"#), [Filter::Random { sticky: false, weights: None }]);
    check(r#"{"random": {"weights": {}, "weight": {}}}"#, "`weights` and `weight` mean the same");
}

#[test]
fn weights_are_checked() {
    check_weights(r#"{"m": 1, "s": 1, "s3": 1}"#, "Unknown server 's3' in 'FILTER' filter configuration. Stopping");
    check_weights(r#"{"m": 1, "s": 1, "S": 1}"#, "Unknown server 'S' in 'FILTER' filter configuration. Stopping");
    check_weights(r#"{"m": -1, "s": 1}"#, "Invalid value '-1' for weight. Stopping");
    check_weights(r#"{"m": 1, "s": 65536}"#, "Invalid value '65536' for weight. Stopping");
    check_weights(r#"{"m": 1, "s": [1]}"#, "a weight must be a number");
    check_weights(
        r#"{"m": 1}"#,
        "You must specify the load balancing weight for none or all configured servers. There is no default weight yet. Stopping",
    );
    check_weights("[1, 2]", "must be an object");
    check_weights("7", "must be an object");
}

#[test]
fn weights_need_unique_names() {
    let text = r#"{"shop": {"master": {"x": {"host": "a"}}, "slave": {"x": {"host": "b"}},
        "filters": {"random": {"weights": {"x": 1}}}}}"#;
    refused(text, "Failed to setup master/slave server list for 'random' filter. Stopping");
    let text = r#"{"shop": {"master": [{"host": "a"}], "slave": [{"host": "b"}],
        "filters": {"node_groups": {"A": {"master": [""]}}, "random": {}}}}"#;
    refused(text, "Failed to setup master/slave server list for 'node_groups' filter. Stopping");
}

#[test]
fn a_primary_that_is_not_in_the_pool_has_no_weight() {
    let servers = r#""master": {"m1": {"host": "a"}, "m2": {"host": "b"}}, "slave": {"s": {"host": "c"}}"#;
    let text =
        format!(r#"{{"shop": {{{servers}, "filters": {{"random": {{"weights": {{"m1": 1, "m2": 2, "s": 3}}}}}}}}}}"#);
    refused(&text, "Unknown server 'm2' in 'random' filter configuration. Stopping");
    let settings = Settings { multi_master: Some(true), ..Settings::default() };
    assert!(!Config::parse_file("ms.json", &text, &settings).has_errors());

    let text = format!(r#"{{"shop": {{{servers}, "filters": {{"random": {{"weights": {{"m1": 1, "s": 3}}}}}}}}}}"#);
    assert!(!Config::parse(&text).has_errors());
    refused_with(&text, &settings, "You must specify the load balancing weight for none or all");
}

#[test]
fn a_broken_server_is_still_a_known_name() {
    let text = r#"{"shop": {"master": {"m": {"port": 1}}, "slave": {"s": {"host": "b"}},
        "filters": {"random": {"weights": {"m": 1, "s": 1}}}}}"#;
    refused(text, "Cannot find [host]");
}

#[test]
fn node_groups_become_places_in_the_order_of_the_pool() {
    let shop = accepted(
        r#"{"shop": {"master": {"m": {"host": "a"}}, "slave": {"s1": {"host": "b"}, "s2": {"host": "c"}, "s3": {"host": "d"}},
            "filters": {"node_groups": {"B": {"master": ["m"], "slave": ["s3", "s1"]}, "A": {"primary": ["m"]}}, "random": {}}}}"#,
    );
    let Filter::NodeGroups { groups } = &shop.filters[0] else { panic!("{shop:?}") };
    let found: Vec<_> = groups.iter().map(|it| (it.name.as_str(), &it.primaries[..], &it.replicas[..])).collect();
    assert_eq!(found, [("B", &[0][..], &[0, 2][..]), ("A", &[0][..], &[][..])]);
}

#[test]
fn node_groups_are_checked() {
    check_group(
        r#"{"master": ["m", "m7"]}"#,
        "Unknown master 'm7' (section 'A') in 'node_groups' filter configuration. Stopping",
    );
    check_group(
        r#"{"master": ["m"], "slave": ["S"]}"#,
        "Unknown slave 'S' (section 'A') in 'node_groups' filter configuration. Stopping",
    );
    let none = "No masters configured in node group 'A' for 'node_groups' filter. Please, verify the setup";
    check_group(r#"{"slave": ["s"]}"#, none);
    check_group(r#"{"master": [], "slave": ["s"]}"#, none);
    check_group(r#"{"master": ["m", "m"]}"#, "Failed to add master 'm' to node group 'A'");
    check_group(r#"{"master": ["m"], "slave": "s"}"#, "must be an array of server names");
    check_group("1", "must be an object");
    warned(&with(r#"{"node_groups": {"A": {"master": ["m", "s"]}}, "random": {}}"#), "`s` is a slave");
}

#[test]
fn a_service_level_is_exactly_one() {
    check_level(r#"{"strong_consistency": 1}"#, ServiceLevel::Strong);
    check_level(r#"{"session_consistency": []}"#, ServiceLevel::Session);
    check_level(r#"{"eventual_consistency": true}"#, ServiceLevel::Eventual(Eventual::Unbounded));
    check_level(r#"{"eventual_consistency": {}}"#, ServiceLevel::Eventual(Eventual::Unbounded));
    let age = Eventual::MaxAge(std::time::Duration::from_secs(5));
    check_level(r#"{"eventual_consistency": {"age": "5"}}"#, ServiceLevel::Eventual(age));
    let cache = Eventual::CacheTtl(std::time::Duration::from_secs(60));
    check_level(r#"{"eventual_consistency": {"cache": 60}}"#, ServiceLevel::Eventual(cache));

    check_no_level("{}", "can't find section 'strong_consistency', 'session_consistency' or 'eventual_consistency'");
    check_no_level(
        r#"{"session_consistency": 1, "strong_consistency": 1}"#,
        "Error by creating filter 'quality_of_service', 'session_consistency' clashes with previous setting. Stopping",
    );
    check_no_level(
        r#"{"eventual_consistency": {"age": 1, "cache": 1}}"#,
        "'eventual_consistency' has conflicting entries for cache and age. Stopping",
    );
    check_no_level(r#"{"eventual_consistency": {"age": -1}}"#, "`age` must be a number of seconds");
}

#[test]
fn of_a_filter_given_twice_the_last_counts_at_the_place_of_the_first() {
    let text = with(r#"{"roundrobin": {"weights": {"nosuch": 1}}, "roundrobin": {}}"#);
    assert_eq!(warned(&text, "duplicate key").filters, [Filter::RoundRobin { weights: None }]);
    let text = with(
        r#"{"quality_of_service": {"strong_consistency": 1}, "random": {}, "quality_of_service": {"session_consistency": 1}}"#,
    );
    let chain = warned(&text, "duplicate key").filters;
    assert_eq!(chain[0], Filter::QualityOfService { level: ServiceLevel::Session });
    assert_eq!(chain.len(), 2);
}

fn with(filters: &str) -> String {
    super::shop(&format!(r#", "filters": {filters}"#))
}

#[track_caller]
fn chain(filters: &str) -> Vec<Filter> {
    let Section { filters, .. } = accepted(&with(filters));
    assert!(filters.last().is_some_and(Filter::picks));
    filters
}

#[track_caller]
fn check(filters: &str, error: &str) {
    refused(&with(filters), error);
}

/// Both filters that know weights say the same.
#[track_caller]
fn check_weights(weights: &str, error: &str) {
    for filter in ["random", "roundrobin"] {
        check(&format!(r#"{{"{filter}": {{"weights": {weights}}}}}"#), &error.replace("FILTER", filter));
    }
}

#[track_caller]
fn check_group(group: &str, error: &str) {
    check(&format!(r#"{{"node_groups": {{"A": {group}}}, "random": {{}}}}"#), error);
}

#[track_caller]
fn check_level(arguments: &str, level: ServiceLevel) {
    let parsed = Config::parse(&with(&format!(r#"{{"quality_of_service": {arguments}, "random": {{}}}}"#)));
    assert_eq!(rendered(&parsed), "");
    let shop = parsed.config.section("shop").expect("the section");
    assert_eq!(shop.filters[0], Filter::QualityOfService { level });
}

#[track_caller]
fn check_no_level(arguments: &str, error: &str) {
    check(&format!(r#"{{"quality_of_service": {arguments}, "random": {{}}}}"#), error);
}

#[test]
fn an_own_filter_is_its_name_and_whatever_stands_there() {
    let filters = r#"{"node_groups": {"A": {"master": ["m"], "slave": ["s"]}}, "Near": {"zone": "a"}, "far": 1}"#;
    let parsed = own(filters, OwnFilters::Named(&["near", "far"]));
    assert_eq!(rendered(&parsed), "");
    let chain = &parsed.config.section("shop").unwrap().filters;
    assert_eq!(chain.iter().map(Filter::name).collect::<Vec<_>>(), ["node_groups", "Near", "far"], "the order is kept");
    let Filter::Own(near) = &chain[1] else { panic!("{chain:?}") };
    assert_eq!((near.path.as_str(), near.arguments.to_string().as_str()), ("shop.filters.Near", r#"{"zone": "a"}"#));
    assert_eq!(near.position.line, 1);
    let parsed = own(r#"["near"]"#, OwnFilters::Named(&["near"]));
    let Filter::Own(near) = &parsed.config.section("shop").unwrap().filters[0] else { panic!() };
    assert_eq!((near.path.as_str(), &near.arguments), ("shop.filters[0]", &Json::Null));
}

#[test]
fn a_name_that_nobody_registered_is_unknown() {
    own_refused(r#"["zone"]"#, OwnFilters::Named(&["near"]), "Unknown filter 'zone' . Stopping; accepted: `random`");
    own_refused(r#"["zone"]"#, OwnFilters::Named(&["near"]), "`near`, or a filter of the program's own");
    own_refused(r#"["neer"]"#, OwnFilters::Named(&["near"]), "Unknown filter 'neer' . Stopping; did you mean `near`?");
    own_refused(r#"["radnom"]"#, OwnFilters::Guessed(&[]), "did you mean `random`?");
    own_refused(r#"["neer"]"#, OwnFilters::Guessed(&["near"]), "did you mean `near`?");
    own_refused(r#"[""]"#, OwnFilters::Guessed(&[]), "Filter with empty name found");
    own_refused(r#"["random", {"a": 1}]"#, OwnFilters::Guessed(&[]), "Unknown filter '1' . Stopping");
}

#[test]
fn a_tool_may_guess_and_says_so() {
    let parsed = own(r#"{"zone": {}, "random": {}}"#, OwnFilters::Guessed(&[]));
    let text = rendered(&parsed);
    assert!(
        !parsed.has_errors() && text.contains("warning: shop.filters.zone: unknown filter `zone`, taken for"),
        "{text}"
    );
    assert!(text.contains("registers with `Builder::filter`"), "{text}");
    assert_eq!(rendered(&own(r#"["zone"]"#, OwnFilters::Guessed(&["ZONE"]))), "");
}

#[test]
fn an_own_filter_has_its_place_in_the_chain() {
    let text = "Error while creating filter 'near' . Non-multi filter 'random' already created. Stopping";
    own_refused(r#"["random", "near"]"#, OwnFilters::Named(&["near"]), text);
    let text = "Last filter is multi filter. Needs to be non-multi one. Stopping";
    own_refused(r#"{"near": 1, "user_multi": {"callback": "f"}}"#, OwnFilters::Named(&["near"]), text);
}

fn own(filters: &str, own: OwnFilters<'_>) -> Parsed {
    let text = super::shop(&format!(r#", "filters": {filters}"#));
    Config::parse_with("ms.json", text.as_bytes(), &Settings::default(), own)
}

#[track_caller]
fn own_refused(filters: &str, names: OwnFilters<'_>, error: &str) {
    let parsed = own(filters, names);
    assert!(parsed.has_errors() && rendered(&parsed).contains(error), "{}", rendered(&parsed));
}
