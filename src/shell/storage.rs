//! What a Durable Object stores: SQLite, transactions, the alarm.

use js_sys::{JSON, Promise};
use wasm_bindgen::prelude::*;

use crate::protocol::Millis;
use crate::protocol::json::encode;
use crate::sql::{Row, Sql, Statement, StoreError};

use super::bindings::{JsCursor, JsSql, JsState, JsStorage, array_from};
use super::environment::now;

const YEAR: Millis = 365 * 86_400_000;

/// What a Durable Object stores.
pub struct Storage {
    storage: JsStorage,
    sql: JsSql,
}

impl Storage {
    /// The storage of an object with this state.
    pub fn of(state: &JsState) -> Self {
        let storage = state.storage();
        Self { sql: storage.sql(), storage }
    }

    /// A promise of the alarm's time, or of null if none is set.
    ///
    /// # Errors
    /// Storage cannot be read.
    pub fn get_alarm(&self) -> Result<Promise, JsValue> {
        self.storage.get_alarm()
    }

    /// Wakes the object at this time, replacing the time set before, or in a year if that is earlier: the runtime
    /// accepts no time after 2189. An object that is woken too early sets the next alarm.
    ///
    /// # Errors
    /// Storage rejects it.
    pub fn set_alarm(&self, at: Millis) -> Result<Promise, JsValue> {
        self.storage.set_alarm(at.min(now() + YEAR) as f64)
    }

    /// Deletes everything, including the alarm.
    ///
    /// # Errors
    /// Storage rejects it.
    pub fn delete_all(&self) -> Result<Promise, JsValue> {
        self.storage.delete_all()
    }

    fn exec(&self, (query, parameters): &Statement) -> Result<JsCursor, JsValue> {
        self.sql.exec(query, JSON::parse(&encode(parameters))?.unchecked_ref())
    }

    /// Does all of this, or nothing.
    ///
    /// # Errors
    /// Nothing was done.
    pub fn transaction<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let storage = self.storage.clone();
        let (mut act, mut outcome) = (Some(act), None);
        let transaction = storage.transaction_sync(&mut || {
            outcome = act.take().map(|act| act(self));
            // Throwing is how a transaction is rolled back.
            if matches!(outcome, Some(Ok(_))) { Ok(JsValue::UNDEFINED) } else { Err(JsValue::from_str("rolled back")) }
        });
        match outcome {
            Some(Ok(done)) => transaction.map(|_| done).map_err(|error| sql_error(&error)),
            Some(Err(error)) => Err(error),
            None => Err(StoreError::Sql("the transaction did not begin".to_owned())),
        }
    }
}

/// What goes to storage and comes from it passes as one text: transferring each value on its own costs several times
/// what SQLite does with it.
impl Sql for Storage {
    fn run(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        let rows = self.exec(statement).and_then(|cursor| cursor.raw()).and_then(|rows| array_from(&rows));
        let rows = rows.and_then(|rows| JSON::stringify(&rows)).map_err(|error| sql_error(&error))?;
        serde_json::from_str(&String::from(rows))
            .map_err(|error| StoreError::Sql(format!("rows are not read: {error}")))
    }

    fn execute(&mut self, statement: &Statement) -> Result<(), StoreError> {
        self.exec(statement).map(drop).map_err(|error| sql_error(&error))
    }
}

fn sql_error(error: &JsValue) -> StoreError {
    StoreError::Sql(format!("{error:?}"))
}
