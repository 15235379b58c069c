//! The texts that benchmarks classify.

/// Name and text of each.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    vec![
        ("select_1", "SELECT 1".into()),
        ("select_1_hint", "/*ms=master*/SELECT 1".into()),
        ("orm_select_600", ORM.into()),
        ("insert_100kb", format!("INSERT INTO t (a, b) VALUES {}", list("(12345, 'some text')", 100_000))),
        ("in_numbers_100kb", format!("SELECT a FROM t WHERE id IN ({})", list("123456", 100_000))),
        ("in_strings_100kb", format!("SELECT a FROM t WHERE id IN ({})", list("'some text'", 100_000))),
        ("in_placeholders_100kb", format!("SELECT a FROM t WHERE id IN ({})", list("?", 100_000))),
    ]
}

/// What an object mapper makes of "the last orders of a customer"; 600 bytes.
const ORM: &str = "SELECT `orders`.`id`, `orders`.`customer_id`, `orders`.`status`, `orders`.`total`, \
    `orders`.`created_at`, `customers`.`id`, `customers`.`name`, `customers`.`email`, COUNT(`items`.`id`) AS \
    `items_count`, COALESCE(SUM(`items`.`price`), 0) AS `items_price` FROM `orders` INNER JOIN `customers` ON \
    `customers`.`id` = `orders`.`customer_id` LEFT OUTER JOIN `items` ON `items`.`order_id` = `orders`.`id` WHERE \
    `customers`.`id` = ? AND `orders`.`status` IN (?, ?, ?) AND `orders`.`created_at` >= DATE_SUB(NOW(), INTERVAL \
    30 DAY) GROUP BY `orders`.`id` ORDER BY `orders`.`created_at` DESC LIMIT 25 OFFSET 50";

fn list(item: &str, bytes: usize) -> String {
    let mut text = String::from(item);
    while text.len() + item.len() + 2 < bytes {
        text.push_str(", ");
        text.push_str(item);
    }
    text
}
