//! What is said of the listener for administrators.

use super::mistakes::{GOOD, check};
use super::snapshot;

#[test]
fn there_is_a_listener_for_administrators_where_one_is_asked_for() {
    assert!(snapshot(GOOD).admin.is_none());
    let with = |more: &str| snapshot(&format!("{GOOD}\n[admin]\n{more}")).admin.unwrap().address.to_string();
    assert_eq!(with(""), "127.0.0.1:9092");
    assert_eq!(with("address = \"[::1]:9443\""), "[::1]:9443");
}

#[test]
fn mistakes_of_the_listener_for_administrators() {
    let cases = ["10.0.0.5:9092", "0.0.0.0:9092", "[::]:9092", "127.0.0.1:8080", "127.0.0.1:9090"]
        .map(|address| format!("[admin]\naddress = \"{address}\"\n\n[access]"));
    let mut cases: Vec<_> = cases.iter().map(|to| ("[access]", &**to)).collect();
    cases.extend([
        ("[access]", "[admin]\nhosts = [\"*\", \"Gate.example.com:9092\"]\n\n[access]"),
        ("[access]", "[admin]\naddress = \"10.0.0.5:9092\"\n[admin.tls]\n\n[access]"),
        ("[access]", "[admin.tls]\nclient_authority = \"staf\"\n[client_authority.staff]\nfile = \"none.pem\"\n\n[access]"),
        ("[access]", "[admin.tls]\nclient_authority = \"staff\"\ncertificates = \"none\"\n\n[access]"),
    ]);
    check("admin", &cases);
}
