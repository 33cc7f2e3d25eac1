//! Users, sessions and keys by commands: what they print is good at the gate, and what they end is over there.

use std::time::Duration;

use portcullis_testkit::{Client, eventually};
use serde_json::json;

use crate::administration::call;
use crate::commands::{Said, Terminal};
use crate::gate::DEADLINE;
use crate::guard::world::{HASH_KEY, HASH_KEY_FILE};
use crate::identity::world::{NAME, PORTAL, SHOP, World, builder, log_in};

/// A password that a user chooses.
const CHOSEN: &str = "nine amber kettles hum at 4 am";
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuQ6SL8TPjLSAmGuTNb9VBmyCbxEVlEJa";

/// A world with an administrator, and a terminal.
struct Desk {
    world: World,
    terminal: Terminal,
}

impl Desk {
    async fn start(more: &str) -> Self {
        Self { world: World::with_administrator(more).await, terminal: Terminal::new() }
    }

    async fn types(&self, line: &str) -> Said {
        self.types_and_enters(line, "").await
    }

    async fn types_and_enters(&self, line: &str, entered: &str) -> Said {
        let config = self.world.gate.folder().join("portcullis.toml");
        self.terminal.types_and_enters(&format!("{line} --config {}", config.display()), entered).await
    }

    /// Makes a user who has chosen a password by the code that was printed.
    async fn make(&self, name: &str, role: &str) {
        let said = self.types(&format!("user add {name} --role {role} --format json")).await.json();
        self.choose(name, said["code"].as_str().unwrap()).await;
    }

    /// Types a code at the portal, with a password.
    async fn choose(&self, name: &str, code: &str) {
        let mut visitor = self.world.visitor();
        let page = visitor.go(PORTAL, "/.portcullis/setup").await;
        let fill = [("code", code), ("username", name), ("new", CHOSEN), ("again", CHOSEN)];
        let page = visitor.send(&page, "/.portcullis/setup", &fill).await;
        assert_eq!(page.target, "/.portcullis/login?done=set-up", "{}", page.answer.text());
    }

    /// The status and the place at which somebody arrives who logs in to the shop.
    async fn logs_in(&self, name: &str) -> (String, u16) {
        let mut visitor = self.world.visitor();
        let page = visitor.go(SHOP, "/private/page").await;
        let page = log_in(&mut visitor, &page, name, CHOSEN).await;
        (page.host, page.answer.status.as_u16())
    }
}

#[tokio::test]
async fn a_user_chooses_a_password_by_the_code_and_is_out_once_the_account_is_closed() {
    let mut desk = Desk::start("").await;
    let said = desk.types("user add Ben@Example.com --role user").await.fine();
    assert!(said.contains("is good once, for a day") && said.contains("/.portcullis/setup"), "{said}");
    desk.choose("ben@example.com", said.lines().next().unwrap()).await;
    let mut visitor = desk.world.visitor();
    let page = visitor.go(SHOP, "/private/page").await;
    let page = log_in(&mut visitor, &page, "ben@example.com", CHOSEN).await;
    assert_eq!((&*page.host, page.answer.status.as_u16()), (SHOP, 200), "{}", page.answer.text());

    let sessions = desk.types("session list --user ben@example.com --format json").await.json();
    assert_eq!((sessions.as_array().unwrap().len(), &sessions[0]["user"]), (1, &"ben@example.com".into()));
    let all = desk.types("session list").await.fine();
    assert!(all.starts_with("ID") && all.contains("ben@example.com"), "{all}");
    desk.types("user disable ben@example.com").await.fine();
    assert_ne!(visitor.go(SHOP, "/private/page").await.host, SHOP, "the session is over");
    assert_eq!(desk.logs_in("ben@example.com").await.0, PORTAL);
    assert!(desk.types("user enable ben@example.com").await.fine().contains("active"));
    assert_eq!(desk.logs_in("ben@example.com").await, (SHOP.to_owned(), 200));

    assert_eq!(desk.types("session end --user ben@example.com").await.fine(), "sessions ended: 1\n");
    desk.types("session end 00").await.fails(1, &["32 digits of hex"]);
    desk.types(&format!("user disable {NAME}")).await.fails(1, &["the last active administrator"]);
    desk.types("user delete ben@example.com").await.fails(2, &["say `--yes`"]);

    // The same while no node runs.
    assert!(desk.world.gate.stop(DEADLINE).await.success());
    let said = desk.types("user roles ben@example.com --role user --role admin --format json").await.json();
    assert_eq!(said["roles"], json!(["admin", "user"]));
    desk.types("user roles ben@example.com --role root").await.fails(1, &["role `root` is not declared"]);
    desk.types("user delete ben@example.com --yes").await.fine();
    let table = desk.types("user list").await.fine();
    assert!(table.contains(NAME) && !table.contains("ben@example.com"), "{table}");
    desk.world.gate.start_again().await;
    assert_eq!(desk.logs_in("ben@example.com").await.0, PORTAL);
    let told = desk
        .types("audit search --action user.change --action user.delete --outcome success --format json")
        .await
        .fine();
    assert_eq!(told.lines().count(), 4, "{told}");
    assert!(told.contains("\"old\":\"user\",\"new\":\"admin,user\""), "{told}");
}

#[tokio::test]
async fn an_administrator_who_is_locked_out_gets_a_code_on_the_machine() {
    let desk = Desk::start("").await;
    desk.types("setup-code").await.fails(1, &["there are accounts already"]);
    let said = desk.types(&format!("setup-code {NAME} --format json")).await.json();
    desk.choose(NAME, said["code"].as_str().unwrap()).await;
    assert_eq!(desk.logs_in(NAME).await, (SHOP.to_owned(), 200));
    desk.make("ben", "user").await;
    desk.types("setup-code ben").await.fails(1, &["`ben` is no administrator"]);
    assert_eq!(desk.types("user unlock ben").await.fine(), "nothing was counted against it\n");
    let said = desk
        .types_and_enters("user password ben --password-stdin", "seven brass foxes left 21 notes\n")
        .await;
    assert!(said.fine().contains("all sessions have ended"));
    assert_eq!(desk.logs_in("ben").await.0, PORTAL, "the password is another one");
}

#[tokio::test]
async fn an_import_lists_what_cannot_be_taken_and_does_all_or_nothing() {
    let desk = Desk::start("").await;
    let file =
        format!("carl:{BCRYPT}\nbob:{{SHA}}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n{NAME}:{BCRYPT}\ndora:{BCRYPT}\n");
    desk.terminal.write("users", &file);
    let import =
        format!("user import --format htpasswd {} --role user", desk.terminal.path("users").display());
    for more in ["", " --dry-run", " --dry-run --skip-bad"] {
        let said = desk.types(&format!("{import}{more}")).await;
        assert_eq!(
            (said.code, &*said.stdout),
            (1, "nothing was done: 2 accounts can be made, 2 cannot\n"),
            "{said:?}"
        );
        for part in ["2: bob: `{SHA}` hashes are guessed", "the name is taken"] {
            assert!(said.stderr.contains(part), "{said:?}");
        }
    }
    desk.types("user show carl").await.fails(1, &["there is none of that name"]);
    let said = desk.types(&format!("{import} --skip-bad")).await;
    assert_eq!((said.code, &*said.stdout), (0, "2 accounts were made, 2 were not\n"), "{said:?}");
    let dora = desk.types("user show dora --format json").await.json();
    assert_eq!((&dora["roles"], &dora["state"]), (&json!(["user"]), &"active".into()));
    desk.types("user import --format csv nowhere.csv").await.fails(2, &["`nowhere.csv` cannot be read"]);
}

#[tokio::test]
async fn a_key_of_the_store_opens_what_it_may_until_it_is_rotated_or_ended() {
    let more = format!("[api_keys]\nhash_key_file = \"{HASH_KEY_FILE}\"\n");
    let upstream = portcullis_testkit::Upstream::start().await;
    let gate = builder(&upstream, &more).file(HASH_KEY_FILE, HASH_KEY).start().await;
    let world = World { gate, upstream };
    let desk = Desk { world, terminal: Terminal::new() };
    desk.make("ben", "user").await;
    let made = desk.types("apikey create ci --owner ben --permission read:tasks --format json").await.json();
    let key = made["key"].as_str().unwrap().to_owned();
    let status = async |key: &str| {
        let request = Client::new().get(desk.world.gate.url("/api/tasks")).header("host", SHOP);
        request.header("x-api-key", key).send().await.status.as_u16()
    };
    assert_eq!(status(&key).await, 200);
    desk.types("apikey create ci2 --owner ben --permission admin")
        .await
        .fails(1, &["may do more than its owner"]);
    let listed = desk.types("apikey list --owner ben --format json").await.json();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert!(!listed.to_string().contains(&key));
    let rotated = desk.types(&format!("apikey rotate {id} --overlap 0s --format json")).await.json();
    let next = rotated["key"].as_str().unwrap();
    eventually(Duration::from_secs(5), || async { status(&key).await == 401 }).await;
    assert_eq!(status(next).await, 200);
    desk.types(&format!("apikey delete {id}")).await.fine();
    eventually(Duration::from_secs(5), || async { status(next).await == 401 }).await;
    assert!(call(desk.world.gate.folder(), "GET", &format!("/api-keys/{id}"), None).await.is_err());
}

#[tokio::test]
async fn a_role_that_administrators_keep_opens_what_it_may_and_no_more() {
    let mut desk = Desk::start("").await;
    desk.make("ben", "user").await;
    let made = desk.types("role add helper --permission read:tasks --format json").await.json();
    assert_eq!(made["origin"], "store");
    desk.types("role add user --permission read:tasks").await.fails(1, &["changed there"]);
    desk.types("role add other --permission read:taks").await.fails(1, &["`read:taks` is not declared"]);
    let said = desk.types("role list").await.fine();
    assert!(said.lines().any(|line| line.starts_with("helper") && line.contains("store")), "{said}");
    desk.types("user roles ben --role helper").await.fine();
    let mut visitor = desk.world.visitor();
    let page = visitor.go(SHOP, "/private/page").await;
    log_in(&mut visitor, &page, "ben", CHOSEN).await;
    assert_eq!(visitor.go(SHOP, "/api/tasks").await.answer.status, 200);
    desk.types("role remove helper").await.fails(1, &["accounts that have this role: 1"]);
    assert_eq!(desk.types("role set helper").await.fine(), "helper: -\n");
    assert_eq!(visitor.go(SHOP, "/api/tasks").await.answer.status, 403, "with the next request");
    let told = desk.types("audit search --action role.change --format json").await.fine();
    assert!(told.contains("\"old\":\"read:tasks\",\"new\":\"\""), "{told}");

    // The same while no node runs, and it is there when one does.
    assert!(desk.world.gate.stop(DEADLINE).await.success());
    desk.types("role set helper --permission read:tasks").await.fine();
    desk.world.gate.start_again().await;
    let mut visitor = desk.world.visitor();
    let page = visitor.go(SHOP, "/private/page").await;
    log_in(&mut visitor, &page, "ben", CHOSEN).await;
    assert_eq!(visitor.go(SHOP, "/api/tasks").await.answer.status, 200);
    desk.types("user roles ben").await.fine();
    desk.types("role remove helper").await.fine();
    desk.types("role show helper").await.fails(1, &["no such role"]);
}

#[tokio::test]
async fn a_permission_that_the_configuration_forgets_gives_nothing_and_is_told() {
    let desk = Desk::start("").await;
    let (folder, config) =
        (desk.world.gate.folder().to_owned(), desk.world.gate.folder().join("portcullis.toml"));
    let before = std::fs::read_to_string(&config).unwrap();
    let known = before.replace(
        "permissions = [\"read:tasks\"]\nroles",
        "permissions = [\"read:tasks\", \"export:tasks\"]\nroles",
    );
    assert_ne!(before, known);
    desk.world.gate.write_config(&known);
    call(&folder, "POST", "/config/reload", None).await.unwrap();
    desk.types("role add helper --permission read:tasks --permission export:tasks").await.fine();
    desk.world.gate.write_config(&before);
    call(&folder, "POST", "/config/reload", None).await.unwrap();
    let said = |line: &portcullis_testkit::Line| {
        line.text.contains("export:tasks") && line.text.contains("gives nothing")
    };
    desk.world.gate.wait_for_line(said, DEADLINE).await;
    let shown = desk.types("role show helper").await.fine();
    assert!(shown.contains("does not declare export:tasks"), "{shown}");
    let doctor = desk.types("doctor").await;
    assert!(
        doctor.stdout.lines().any(|line| line.starts_with("bad") && line.contains("export:tasks")),
        "{doctor:?}"
    );
}
