//! A canary: no password, cookie, code, token or key of somebody's stands in the log, in the ledger as administrators read
//! it, or in a file of the node, whatever becomes of it.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis_testkit::{Answer, Client, Visitor, eventually};
use serde_json::json;

use crate::commands::Terminal;
use crate::gate::DEADLINE;
use crate::guard::world::{HASH_KEY, HASH_KEY_FILE};
use crate::identity::world::{NAME, PASSWORD, PORTAL, SHOP, World, builder, log_in};
use crate::ledger::Asked;

const WRONG: &str = "wrong-canary-Qz7Wm2Kx9Tb4Rv8Ls3Hd6";
const NEW: &str = "eight copper whales knit 27 scarves";

/// Follows nothing: one request with the cookies that a visitor has.
async fn once(world: &World, cookies: &[(String, String)], host: &str, target: &str) -> Answer {
    let line: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = Client::without_pool().get(world.gate.url(target)).header("host", &format!("{host}:8080"));
    request.header("sec-fetch-mode", "navigate").header("cookie", &line.join("; ")).send().await
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A world whose log says all that it can.
async fn talkative() -> World {
    let upstream = portcullis_testkit::Upstream::start().await;
    let more = format!("[api_keys]\nhash_key_file = \"{HASH_KEY_FILE}\"");
    let builder = builder(&upstream, &more).file(HASH_KEY_FILE, HASH_KEY).variable("PORTCULLIS_LOG", "trace");
    World { gate: builder.start().await, upstream }
}

/// Sets the first administrator up, and is told the code.
async fn set_up(world: &World) -> String {
    let (mut visitor, code) = (world.visitor(), world.set_up_code());
    let page = visitor.go(PORTAL, "/.portcullis/setup").await;
    let fill = [("code", &*code), ("username", NAME), ("new", PASSWORD), ("again", PASSWORD)];
    let page = visitor.send(&page, "/.portcullis/setup", &fill).await;
    assert_eq!(page.target, "/.portcullis/login?done=set-up", "{}", page.answer.text());
    code
}

/// The way of a session to the shop, step by step; the code that leads there.
async fn hand_over(world: &World, portals: &[(String, String)], shops: &[(String, String)]) -> String {
    let location = |answer: &Answer| answer.header("location").unwrap().to_owned();
    let path = |address: String| address.split_once(":8080").unwrap().1.to_owned();
    let begun = location(&once(world, shops, SHOP, "/.portcullis/login?return=/").await);
    let led = location(&once(world, portals, PORTAL, &path(begun)).await);
    let code = led.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert_eq!(once(world, shops, SHOP, &path(led)).await.status, 303);
    code
}

/// Logs in wrongly and rightly, goes to the shop, and gets tokens: what of all that is secret.
async fn comes_in(world: &World, visitor: &mut Visitor) -> Vec<String> {
    let page = visitor.go(SHOP, "/private/page").await;
    let page = log_in(visitor, &page, NAME, WRONG).await;
    // A password in the field of the name, as it happens.
    let page = log_in(visitor, &page, WRONG, WRONG).await;
    let page = log_in(visitor, &page, NAME, PASSWORD).await;
    assert_eq!((&*page.host, page.answer.status.as_u16()), (SHOP, 200));
    let jar = |host| visitor.cookies(host).into_iter().collect::<Vec<_>>();
    let (portals, shops) = (jar(PORTAL), jar(SHOP));
    let mut secrets: Vec<String> = portals.iter().chain(&shops).map(|(_, value)| value.clone()).collect();
    secrets.push(hand_over(world, &portals, &shops).await);
    let (access, refresh) = world.tokens().await;
    assert_eq!(world.with_token(&access).await.status, 200);
    let renewed = json!({ "grant": "refresh", "refresh_token": refresh });
    assert_eq!(world.program("/.portcullis/token", &renewed).await.status, 200);
    world.program("/.portcullis/revoke", &json!({ "refresh_token": refresh })).await;
    secrets.extend([access, refresh]);
    secrets
}

/// Changes the password, is given a key and a code by an administrator, and logs out: what of all that is secret.
async fn goes_on(world: &World, visitor: &mut Visitor) -> Vec<String> {
    let account = visitor.go(PORTAL, "/.portcullis/account").await;
    let fill = [("current", PASSWORD), ("new", NEW), ("again", NEW)];
    let changed = visitor.send(&account, "/.portcullis/account/password", &fill).await;
    assert_eq!(changed.target, "/.portcullis/account?done=password", "{}", changed.answer.text());
    let (config, terminal) = (world.gate.folder().join("portcullis.toml"), Terminal::new());
    let types = async |line: &str| {
        terminal.types(&format!("{line} --config {} --format json", config.display())).await.json()
    };
    let made = types(&format!("apikey create canary --owner {NAME} --permission read:tasks")).await;
    let key = made["key"].as_str().unwrap().to_owned();
    assert_eq!(world.with_token(&key).await.status, 200);
    let code = types(&format!("user password {NAME}")).await["code"].as_str().unwrap().to_owned();
    let account = visitor.go(PORTAL, "/.portcullis/account").await;
    visitor.send(&account, "/.portcullis/logout", &[]).await;
    vec![key, code]
}

#[tokio::test]
async fn no_secret_of_anybodys_stands_in_the_log_the_ledger_or_a_file() {
    let world = talkative().await;
    let mut secrets = vec![PASSWORD.to_owned(), WRONG.to_owned(), NEW.to_owned(), set_up(&world).await];
    let mut visitor = world.visitor();
    secrets.extend(comes_in(&world, &mut visitor).await);
    secrets.extend(goes_on(&world, &mut visitor).await);
    let mut asked = Asked::of(world.upstream, world.gate);
    eventually(DEADLINE, || async { asked.search("--action auth.logout").await.len() > 1 }).await;
    let ledger = serde_json::to_string(&asked.search("").await).unwrap();
    assert!(ledger.contains("auth.login") && ledger.contains(NAME), "{ledger}");
    asked.gate.stop(DEADLINE).await;
    let log: String = asked.gate.lines().into_iter().map(|line| line.text + "\n").collect();
    assert!(log.contains("TRACE"), "it says all that it can");
    // The code for whoever started the node has a file of its own, and is used.
    let kept = files(&asked.gate.folder().join("state")).into_iter();
    let kept = kept.filter(|file| file.is_file() && !file.ends_with("setup-code"));
    let kept: Vec<_> = kept.map(|file| (file.clone(), fs::read(file).unwrap())).collect();
    assert!(kept.len() > 5, "{kept:?}");
    for secret in &secrets {
        assert!(secret.len() >= 16, "{secret}");
        // A part would help a thief as well. Of a token head and claims are no secret, but its signature is.
        for part in [&secret[..], &secret[secret.len() - 16..]] {
            assert!(!log.contains(part), "the log shows `{part}`");
            assert!(!ledger.contains(part), "the ledger shows `{part}`");
            for (file, bytes) in &kept {
                let holds = bytes.windows(part.len()).any(|window| window == part.as_bytes());
                assert!(!holds, "`{}` holds `{part}`", file.display());
            }
        }
    }
}
