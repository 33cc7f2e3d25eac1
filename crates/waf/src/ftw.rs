//! Regression tests of rules in the format of the Core Rule Set: YAML for go-ftw, schemas 2 and 3.
//!
//! `schema` reads the files, `wire` makes the request that go-ftw would send, `backend` answers as Albedo does, `judge` looks
//! at what was logged. Here requests go to the engine directly; what asserts only a status needs a server and is left out.

mod backend;
mod judge;
mod profile;
mod schema;
mod template;
mod wire;

pub use backend::Answer;
pub use judge::{Outcome, Verdict};
pub use profile::PROFILE;
pub use schema::{File, FtwError, Log, Output, Overrides, Stage, Test};
pub use wire::Request;

use crate::engine::{Decision, Origin, RequestHead, Rules, Transaction};

/// Sends the request of each stage to the rules, and judges what they logged.
pub fn run(rules: &Rules, test: &Test) -> Verdict {
    let stages = test.stages.iter().map(|stage| match play(rules, stage, &test.name()) {
        Ok(transaction) => judge::judge(&stage.output, &transaction.log_lines().collect::<Vec<_>>()),
        Err(problem) => Outcome::Failed(problem.to_string()),
    });
    Verdict { rule_id: test.rule_id, test_id: test.id, outcome: judge::together(stages) }
}

/// Lets the rules judge the request of a stage, and what Albedo answers.
pub fn play(rules: &Rules, stage: &Stage, unique_id: &str) -> Result<Transaction, FtwError> {
    let request = Request::of(&stage.input)?;
    let origin = Origin {
        client: "127.0.0.1",
        client_port: 49_152,
        server: "127.0.0.1",
        server_port: 80,
        unique_id,
        unix_s: 0,
    };
    let mut transaction = rules.begin(&origin);
    let headers: Vec<(&[u8], &[u8])> =
        request.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    let head = RequestHead {
        method: &request.method,
        target: &request.target,
        protocol: &request.protocol,
        headers: &headers,
    };
    let mut decision = transaction.request_head(&head);
    if decision == Decision::Pass {
        decision = transaction.request_body(&request.body);
    }
    if decision == Decision::Pass {
        let answer = Answer::to(&request);
        let headers: Vec<(&[u8], &[u8])> =
            answer.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        decision = transaction.response_head(answer.status, b"HTTP/1.1", &headers);
        if decision == Decision::Pass {
            // Rules may refuse this too; what counts here is only what they log.
            let _ = transaction.response_body(&answer.body);
        }
    }
    transaction.finish();
    Ok(transaction)
}
