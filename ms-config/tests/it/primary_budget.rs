use ms_config::BeyondBudget;

use super::{accepted, refused, shop, warned};

#[test]
fn nothing_is_needed() {
    check("{}", (20, 10, BeyondBudget::Primary));
    check(r#"{"percent": 100, "floor_per_second": 0, "beyond": "error"}"#, (100, 0, BeyondBudget::Error));
    check(r#"{"percent": 0, "beyond": "stale"}"#, (0, 10, BeyondBudget::Stale));
}

#[test]
fn numbers_have_ranges_and_the_rest_has_names() {
    for wrong in ["-1", "101", "1.5", "\"all\"", "[]"] {
        refused(&with(&format!(r#"{{"percent": {wrong}}}"#)), "`percent` is out of range or no number");
    }
    refused(&with(r#"{"floor_per_second": -1}"#), "shop.primary_budget.floor_per_second: `floor_per_second` is out of");
    refused(&with(r#"{"beyond": "master"}"#), "`master` is nothing that can become of a read");
    refused(&with(r#"{"beyond": 1}"#), "shop.primary_budget.beyond: must be a text");
    refused(&with("20"), "shop.primary_budget: must be an object");
    warned(&with(r#"{"percents": 1}"#), "did you mean `percent`?");
}

#[track_caller]
fn check(value: &str, (percent, floor, beyond): (u8, u32, BeyondBudget)) {
    let budget = accepted(&with(value)).primary_budget;
    assert_eq!((budget.percent, budget.floor_per_second, budget.beyond), (percent, floor, beyond));
}

fn with(value: &str) -> String {
    shop(&format!(r#", "primary_budget": {value}"#))
}
