//! A crowd that goes on while its gate is killed again and again.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Person, check_tables};
use crate::client::Client;
use crate::disk::Random;
use crate::process::Gate;

/// How often, and after how long, a gate is killed.
#[derive(Debug)]
pub struct Kills {
    /// So often.
    pub count: u64,
    /// The longest that it lives, in milliseconds.
    pub life_ms_max: u64,
    /// Whether its tables are in its state folder.
    pub has_tables: bool,
}

/// So many people, each from an address of their own.
pub async fn crowd(count: u8, seed: u64, gate: &Gate) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 1..=count {
        let client = Client::from_address(Ipv4Addr::new(127, 0, 1, number));
        people.push(Person::join(number.into(), seed ^ u64::from(number) << 32, client, gate).await);
    }
    people
}

impl Kills {
    /// Kills the gate under the load of these people, starts it again, and checks that everything that was acknowledged
    /// holds and nothing is half done. The gate runs at the end.
    pub async fn outlive(
        &self,
        gate: &mut Gate,
        mut people: Vec<Person>,
        random: &mut Random,
    ) -> Vec<Person> {
        for kill in 0..self.count {
            let mut living = live(people, gate);
            let life = Duration::from_millis(20 + random.below(self.life_ms_max));
            let first = tokio::time::timeout(life, living.join_next()).await;
            assert!(first.is_err(), "kill {kill}: somebody was given up before the gate was gone: {first:?}");
            gate.crash().await;
            people = living.join_all().await;
            if self.has_tables {
                check_tables(&gate.folder().join("state"), &people).await;
            }
            gate.start_again().await;
            people = settle_all(people, gate).await;
        }
        for person in &people {
            person.check_all_that_is_over(&person.doors(gate)).await;
        }
        people
    }
}

/// Each does one thing after the other until there is no answer.
fn live(people: Vec<Person>, gate: &Gate) -> JoinSet<Person> {
    let mut living = JoinSet::new();
    for mut person in people {
        let doors = person.doors(gate);
        living.spawn(async move {
            while person.act(&doors).await.is_ok() {}
            person
        });
    }
    living
}

/// Finds out what became of what each of them had asked, and checks all else.
pub async fn settle_all(people: Vec<Person>, gate: &Gate) -> Vec<Person> {
    let mut settling = JoinSet::new();
    for mut person in people {
        let doors = person.doors(gate);
        settling.spawn(async move {
            person.settle(&doors).await;
            person
        });
    }
    settling.join_all().await
}
