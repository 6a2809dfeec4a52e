//! The log in a database: the contract, and what is its own.

mod order;
mod outage;
mod plans;
mod program;
mod schema;
mod sql;

use todoki::log::{DatabaseOptions, Postgres, Release};

use crate::database::Database;
use crate::log_contract::Store;

impl Store for Database {
    type Log = Postgres;

    fn open(&self, release: Release) -> Postgres {
        Postgres::open(self.url(), &DatabaseOptions::default(), release).unwrap()
    }

    fn open_renewed(&self, release: Release) -> Postgres {
        let options = DatabaseOptions {
            renew_epoch: true,
            ..DatabaseOptions::default()
        };
        Postgres::open(self.url(), &options, release).unwrap()
    }
}

crate::log_contract!(Database::new());
