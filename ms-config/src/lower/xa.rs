//! `xa`: how global transactions are kept and finished.

use std::num::NonZeroU16;

use super::{
    number::Range,
    object::{Field, Object},
    state_store::{self, Localhost},
};
use crate::{
    Retries, Xa, XaGarbageCollection, XaOnClose,
    report::{Problem, Report},
};

const KEYS: &[&str] = &["rollback_on_close", "state_store", "garbage_collection"];
const COLLECTION: &str = "garbage_collection";
const COLLECTION_KEYS: &[&str] = &["max_retries", "probability", "max_transactions_per_run"];

pub(super) fn lower(report: &mut Report<'_>, field: &Field<'_>, localhost: Localhost) -> Option<Xa> {
    let object =
        Object::expect(report, field, "an object with `rollback_on_close`, `state_store`, `garbage_collection`")?;
    object.warn_unknown(report, KEYS);

    let rollback = object
        .get("rollback_on_close")
        .and_then(|field| field.switch_or(report, || "'rollback_on_close' from 'xa' must be a string".to_owned()));
    let store = object.get("state_store").filter(|field| !field.is_null());
    let collection = object.get(COLLECTION).filter(|field| !field.is_null());
    let garbage_collection = collection.as_ref().map(|field| garbage_collection(report, field, store.is_some()));

    Some(Xa {
        on_close: if rollback == Some(false) { XaOnClose::RecordFailure } else { XaOnClose::RollBack },
        state_store: store.and_then(|field| state_store::lower(report, &field, localhost)),
        garbage_collection: garbage_collection.unwrap_or_default(),
    })
}

fn garbage_collection(report: &mut Report<'_>, field: &Field<'_>, has_store: bool) -> XaGarbageCollection {
    let mut collection = XaGarbageCollection::default();
    let accepted = "an object with `max_retries`, `probability`, `max_transactions_per_run`";
    let Some(object) = Object::expect(report, field, accepted) else { return collection };
    object.warn_unknown(report, COLLECTION_KEYS);
    if !has_store && !object.members.is_empty() {
        let message = format!(
            "Garbage collection is unavailable. Either no state store was configured or setting up a state store \
             failed. All settings from '{COLLECTION}' will be ignored"
        );
        report.add(field.at_key(), Problem::error(message).accepted("`state_store` beside it"));
    }

    let mut number = |key: &str, range: Range, least: u32, most: u32| {
        let field = object.get(key)?;
        let list = format!("'{key}' from '{COLLECTION}' must be a number ({least}...{most})");
        let outside = |_| format!("'{key}' from '{COLLECTION}' must be a number between {least} and {most}");
        range.read_u16(report, &field, list, outside)
    };
    if let Some(retries) = number("max_retries", Range::unlimited_by_zero(100), 0, 100) {
        collection.max_retries = NonZeroU16::new(retries).map_or(Retries::Unlimited, Retries::Limit);
    }
    if let Some(probability) = number("probability", Range::new(0, 1000), 0, 1000) {
        collection.probability = probability;
    }
    let transactions = number("max_transactions_per_run", Range::new(1, 32768), 1, 32768);
    if let Some(transactions) = transactions.and_then(NonZeroU16::new) {
        collection.max_transactions_per_run = transactions;
    }
    collection
}
