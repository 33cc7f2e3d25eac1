//! Nothing acknowledged is lost: what the disk has when an answer leaves, and what happens when the disk is full.

mod full_disk;
mod order;
mod power;

use std::path::Path;

use portcullis_testkit::{Gate, GateBuilder, Upstream};

use crate::gate::binary;

/// One public route for each kind of audit: `/off`, `/after`, `/answer` and `/before`.
fn config(upstream: &Upstream, audit: &str) -> String {
    let routes: String = ["off", "after", "answer", "before"]
        .map(|kind| {
            format!(
                "[[application.test.route]]\nname = \"{kind}\"\npath = \"/{kind}/*\"\npublic = true\naudit = \"{kind}\"\n"
            )
        })
        .concat();
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n[audit]\n{audit}\n\
         [application.test]\nhosts = [\"*\"]\n[application.test.upstream]\nservers = [\"{}\"]\n{routes}",
        upstream.url()
    )
}

/// A gate that another program starts: `arguments` and then the gate's own command line.
fn started_by(program: &str, arguments: &[&str]) -> GateBuilder {
    let own = [text(binary()), "run", "--config", "portcullis.toml"];
    Gate::builder(program).arguments(arguments.iter().chain(&own).copied())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours is text")
}
