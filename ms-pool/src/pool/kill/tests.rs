use super::*;
use crate::probe::Identity;

#[test]
fn an_order_is_for_one_run_of_one_server() {
    check(&identity("a", 7, Some(100)), &identity("a", 9, Some(100)), true);
    // An idle connection may be older than the victim.
    check(&identity("a", 9, Some(100)), &identity("a", 7, Some(100)), true);
    check(&identity("a", 7, Some(100)), &identity("b", 9, Some(100)), false);
    check(&identity("a", 7, Some(100)), &identity("a", 9, Some(2)), false);
    check(&identity("a", 7, None), &identity("a", 9, None), true);
    check(&identity("a", 9, None), &identity("a", 7, None), false);
}

#[track_caller]
fn check(victim: &Identity, messenger: &Identity, expected: bool) {
    let order = Order::new(&Arc::new(victim.clone()), Instant::now());
    assert_eq!(order.understood_by(messenger), expected);
}

fn identity(uuid: &str, connection_id: u64, uptime: Option<u64>) -> Identity {
    Identity::example(uuid, connection_id, uptime.map(Duration::from_secs))
}
