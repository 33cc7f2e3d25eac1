//! Bans by hand: they hold, they are listed, lifted and recorded, and nobody is banned who never may be.

use portcullis_testkit::Client;

use crate::administration::call;
use crate::gate::EVERYTHING_PUBLIC;
use crate::ledger::Asked;

/// A client at another address of this machine.
fn from(last: u8) -> Client {
    Client::from_address([127, 0, 0, last])
}

async fn status(asked: &Asked, client: &Client, path: &str) -> u16 {
    client.get(asked.gate.url(path)).send().await.status.as_u16()
}

#[tokio::test]
async fn an_address_that_is_banned_by_hand_is_shut_out_until_it_is_let_in_again() {
    let asked = Asked::start(EVERYTHING_PUBLIC).await;
    let (banned, bystander) = (from(3), from(4));
    assert_eq!(status(&asked, &banned, "/").await, 200);
    let said = asked.types("ban add 127.0.0.3 --for 1h").await.fine();
    assert!(said.starts_with("127.0.0.3/32 is shut out until 20"), "{said}");
    let answer = banned.get(asked.gate.url("/")).send().await;
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&wait), "{wait}");
    assert_eq!(status(&asked, &bystander, "/").await, 200);

    let shorter = asked.types("ban add 127.0.0.3 --for 1s --format json").await.json();
    let listed = asked.types("ban list --format json").await.json();
    assert_eq!(listed, serde_json::json!([shorter]), "a ban that reaches further stays");
    let table = asked.types("ban list").await.fine();
    assert!(
        table.starts_with("PREFIX") && table.contains("127.0.0.3/32") && table.contains("manual"),
        "{table}"
    );

    assert_eq!(asked.types("ban lift 127.0.0.3").await.fine(), "127.0.0.3 is let in again\n");
    assert_eq!(status(&asked, &banned, "/").await, 200);
    asked.types("ban lift 127.0.0.3").await.fails(1, &["`127.0.0.3/32` is not banned"]);

    let added = asked.found("--action ban.add", 2).await.remove(0);
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(added["personal"]["principal"], format!("local:{uid}"));
    assert_eq!(
        (&added["about"]["client"], &added["change"]["setting"]),
        (&"127.0.0.3".into(), &"ban".into())
    );
    let lifted = asked.found("--action ban.lift", 1).await.remove(0);
    let old = lifted["change"]["old"].as_str().unwrap();
    assert!(old.starts_with("until 20") && old.ends_with(", manual"), "{old}");
    assert_eq!(lifted["change"].get("new"), None);
    let table = asked.types("audit search --action ban.lift").await.fine();
    assert!(table.contains("about 127.0.0.3"), "{table}");
}

#[tokio::test]
async fn a_ban_by_hand_outlives_the_process_and_ends_when_it_was_meant_to() {
    let mut asked = Asked::start(EVERYTHING_PUBLIC).await;
    asked.types("ban add 127.0.0.3 --for 1h").await.fine();
    asked.types("ban add 127.0.0.5 --for 1h").await.fine();
    let before = asked.types("ban list --format json").await.json();
    asked.gate.crash().await;
    asked.gate.start_again().await;
    assert_eq!(status(&asked, &from(3), "/").await, 429, "from the first request on");
    assert_eq!(status(&asked, &from(4), "/").await, 200);
    let until =
        |list: &serde_json::Value| list[0]["until"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let after = asked.types("ban list --format json").await.json();
    assert!(until(&after).duration_since(until(&before)).abs() <= jiff::SignedDuration::from_secs(1));
    // What was lifted stays lifted.
    asked.types("ban lift 127.0.0.5").await.fine();
    asked.gate.crash().await;
    asked.gate.start_again().await;
    assert_eq!((status(&asked, &from(3), "/").await, status(&asked, &from(5), "/").await), (429, 200));
}

#[tokio::test]
async fn a_ban_of_the_gate_itself_is_seen_with_its_reason_and_can_be_lifted() {
    let asked = Asked::start(EVERYTHING_PUBLIC).await;
    let attacker = from(3);
    for _ in 0..5 {
        assert_eq!(status(&asked, &attacker, "/?q=1+UNION+SELECT+*+FROM+users").await, 403);
    }
    assert_eq!(status(&asked, &attacker, "/").await, 429);
    let listed = asked.types("ban list --format json").await.json();
    assert_eq!(listed[0]["reason"], "suspicion (union_select)");
    asked.types("ban lift 127.0.0.3/32").await.fine();
    assert_eq!(status(&asked, &attacker, "/").await, 200);
}

#[tokio::test]
async fn whoever_is_exempt_or_no_address_cannot_be_banned() {
    let more = format!(
        "{EVERYTHING_PUBLIC}[ban]\nexempt = [\"127.0.0.3/32\", \"2001:db8::/32\", \"2001:db9::7/128\"]\n"
    );
    let asked = Asked::start(&more).await;
    for (address, said) in [
        ("127.0.0.3", "`127.0.0.3/32` is never banned: `ban.exempt`"),
        ("2001:db8:1::7", "`2001:db8:1::/64` is never banned"),
        ("127.0.0.0/8", "is no prefix that is banned"),
        ("localhost", "an address is written"),
    ] {
        asked.types(&format!("ban add {address}")).await.fails(1, &[said]);
    }
    asked.types("ban add 127.0.0.9 --for 5").await.fails(2, &["has no unit"]);
    // One address in it is exempt and gets through all the same; the others do not.
    asked.types("ban add 2001:db9::8").await.fine();
    let (listed, client) = (asked.types("ban list --format json").await.json(), from(3));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(status(&asked, &client, "/").await, 200);
    assert!(asked.found("--action ban.add", 1).await[0]["outcome"] == "success");
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_names_what_follows() {
    let asked = Asked::start(EVERYTHING_PUBLIC).await;
    for last in 1..=5 {
        let address = serde_json::json!({ "address": format!("192.0.2.{last}") });
        call(asked.gate.folder(), "POST", "/bans", Some(address)).await.unwrap();
    }
    let said = asked.types("ban list --limit 3").await;
    assert_eq!((said.code, said.stdout.lines().count()), (0, 4));
    assert!(said.stderr.contains("`--after 192.0.2.3/32` shows what follows"), "{said:?}");
    let rest = asked.types("ban list --after 192.0.2.3/32").await.fine();
    assert_eq!(rest.lines().count(), 3);
}
