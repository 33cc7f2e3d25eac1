//! A crowd whose gate is watched by strace, so that its folder can be had as a loss of power would have left it, at any
//! moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Act, Person, builder, check_ledger, check_tables, settle_all};
use crate::client::Client;
use crate::deadline::WAIT;
use crate::disk::Random;
use crate::power::{Kept, left};
use crate::process::Gate;
use crate::strace::{self, Call};

/// How many people there are.
const PEOPLE: usize = 2;

/// What was done, and what the system saw of it.
#[derive(Debug)]
pub struct Recorded {
    /// The gate's program.
    binary: PathBuf,
    upstream: String,
    /// Where the folder was.
    folder: PathBuf,
    calls: Vec<Call>,
    steps: Vec<Step>,
    /// The lines at which answers were sent.
    answers: Vec<usize>,
}

/// The people after something was answered.
#[derive(Debug)]
struct Step {
    /// How many answers had been read by then.
    answers: u64,
    people: Vec<Person>,
    /// What was done, by whom, and when it was asked.
    act: Option<(usize, Act, Instant)>,
}

impl Recorded {
    /// Lets two people do so many things, one after the other, from the first start of a gate to its stop.
    pub async fn begin(binary: &Path, upstream: &str, acts: usize, seed: u64) -> Self {
        let own = [binary.to_str().expect("a path of ours is text"), "run", "--config", "portcullis.toml"];
        let arguments = strace::arguments().into_iter().chain(own);
        let watched =
            builder(Gate::builder("strace").arguments(arguments), upstream, "").start_deadline(WAIT * 3);
        let mut gate = watched.start().await;
        let (client, mut steps) = (Client::new(), Vec::new());
        let mut people = Vec::new();
        for number in 1..=PEOPLE {
            people.push(Person::join(number, seed + number as u64, client.clone(), &gate).await);
            steps.push(Step { answers: client.answers(), people: people.clone(), act: None });
        }
        for number in 0..acts {
            let (who, asked) = (number % PEOPLE, Instant::now());
            let doors = people[who].doors(&gate);
            let act = people[who].act(&doors).await.unwrap_or_else(|why| panic!("{why:#}"));
            steps.push(Step {
                answers: client.answers(),
                people: people.clone(),
                act: Some((who, act, asked)),
            });
        }
        assert!(gate.stop(WAIT * 3).await.success());
        let calls = strace::calls(&fs::read_to_string(gate.folder().join("calls")).unwrap());
        let answers: Vec<usize> = calls.iter().filter(|call| call.answers()).map(|call| call.began).collect();
        assert_eq!(answers.len() as u64, client.answers(), "answers that were sent and read");
        let folder = gate.folder().to_owned();
        Self { binary: binary.to_owned(), upstream: upstream.to_owned(), folder, calls, steps, answers }
    }

    /// How many calls and answers there were.
    pub fn size(&self) -> (usize, usize) {
        (self.calls.len(), self.answers.len())
    }

    /// Moments: every second of them when an answer leaves, the others any.
    pub fn moments(&self, count: usize, random: &mut Random) -> Vec<usize> {
        let last = self.calls.last().map_or(0, |call| call.began) as u64;
        let mut moment = |number: usize| match number % 2 {
            0 => self.answers[random.below(self.answers.len() as u64) as usize],
            _ => random.below(last) as usize,
        };
        (0..count).map(&mut moment).collect()
    }

    /// Starts a gate on what a loss of power at a moment has left, and checks that everything that was acknowledged holds
    /// and nothing is half done.
    pub async fn check(&self, moment: usize, kept: Kept) {
        let left = left(&self.calls, &self.folder, moment, kept);
        let mut fresh = builder(Gate::builder(&self.binary), &self.upstream, "").start_deadline(WAIT * 3);
        for folder in left.folders {
            fresh = fresh.folder(folder);
        }
        for (file, content) in left.files {
            fresh = fresh.file(file, content);
        }
        let mut gate = fresh.start().await;
        let people = settle_all(self.people_at(moment), &gate).await;
        assert!(gate.stop(WAIT * 3).await.success());
        check_tables(&gate.folder().join("state"), &people).await;
        check_ledger(&self.binary, gate.folder(), &people);
    }

    /// What the people had been told at a moment, and what they had asked.
    fn people_at(&self, moment: usize) -> Vec<Person> {
        let answered = self.answers.iter().filter(|line| **line <= moment).count() as u64;
        let known = self.steps.iter().rposition(|step| step.answers <= answered);
        let mut people = known.map(|at| self.steps[at].people.clone()).unwrap_or_default();
        let next = self.steps.get(known.map_or(0, |at| at + 1)).and_then(|step| step.act.as_ref());
        if let Some((who, act, asked)) = next {
            people[*who] = people[*who].asking(act, *asked);
        }
        let address = |number: usize| [127, 0, 2, number as u8 + 1];
        let from = |(number, person): (usize, Person)| person.from(Client::from_address(address(number)));
        people.into_iter().enumerate().map(from).collect()
    }
}
