//! Mistakes, one change each to a good configuration, and exactly what is said of them.
//!
//! The snapshots beside this file are the messages. Read them aloud: would a stranger know what to do?

use super::{compiled, rendered, snapshot};

/// A configuration without a mistake; every case changes one thing in it.
pub(super) const GOOD: &str = r#"[listen]
address = "127.0.0.1:8080"

[ops]
address = "127.0.0.1:9090"

[access]
permissions = ["read:tasks", "write:tasks"]
roles = { admin = ["admin"], user = ["read:tasks"] }

[api_keys]
hash_key = "env:HASH"

[[api_key]]
name = "ci"
owner = "ci@example.com"
roles = ["user"]
permissions = ["read:tasks"]
expires = 2027-01-31
key = "env:KEY"

[application.shop]
hosts = ["shop.example.com"]

[application.shop.upstream]
servers = ["http://127.0.0.1:3000"]

[application.shop.limits.per-client]
by = "address"
requests = 100
window = "60s"

[[application.shop.route]]
name = "list"
path = "/tasks"
methods = ["GET"]
permissions = ["read:tasks"]
limits = ["per-client"]

[[application.shop.route]]
name = "site"
path = "/*"
kind = "page"
public = true
"#;

/// Compares what is said of the good configuration with `from` replaced by `to`, in each of the cases.
#[track_caller]
pub(super) fn check(group: &str, cases: &[(&str, &str)]) {
    let mut out = String::new();
    for (from, to) in cases {
        assert!(GOOD.contains(from), "{from:?} is not in the good configuration");
        let text = GOOD.replacen(from, to, 1);
        let said = match compiled(&text) {
            Ok(_) => panic!("{to:?} is no mistake"),
            Err(diagnostics) => rendered(&text, &diagnostics),
        };
        out += &format!("{}\n=> {}\n\n{said}\n\n\n", from.trim(), to.trim());
    }
    check_text(group, &out);
}

pub(super) fn check_text(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_good_configuration_is_good() {
    snapshot(GOOD);
}

#[test]
fn text_that_is_not_toml() {
    check(
        "syntax",
        &[
            ("kind = \"page\"", "kind = page"),
            ("address = \"127.0.0.1:8080\"", "address = 127.0.0.1:8080"),
            ("window = \"60s\"", "window = 60s # a minute"),
            ("window = \"60s\"", "window ="),
            ("window = \"60s\"", "window: 60s"),
            ("window = \"60s\"", "window = \"60s"),
            ("limits = [\"per-client\"]", "limits = [\"per-client\""),
            ("[\"read:tasks\", \"write:tasks\"]", "[\"read:tasks\" \"write:tasks\"]"),
            ("[ops]", "per client = 1\n[ops]"),
            ("[ops]", "[ops"),
            ("[ops]", "[listen]"),
            ("requests = 100", "requests = 100\nrequests = 200"),
            ("hash_key = \"env:HASH\"", "hash_key = canary-in-the-file"),
            ("key = \"env:KEY\"", "key = \"canary-in-the-file"),
        ],
    );
}

#[test]
fn keys_that_nobody_knows() {
    check(
        "unknown-keys",
        &[
            ("[listen]\naddress", "[listen]\nadress"),
            ("[listen]\n", "[listen]\nport = 8080\n"),
            ("[listen]\n", "[listen]\nheaders_max = 50\n"),
            ("[listen]\n", "[listen]\n\"böse\\n\\u001b[2J\" = 1\n"),
            ("[ops]", "[opps]"),
            ("[ops]", "[server]\n[ops]"),
            ("[application.shop]", "[aplication.shop]"),
            ("hosts = ", "host = "),
            ("[api_keys]\n", "[api_keys]\nhashkey = \"canary-in-the-file\"\n"),
            ("public = true", "permission = [\"read:tasks\"]"),
            ("[[api_key]]", "[api_key]"),
            ("[ops]", "[[ops]]"),
            ("[listen]\naddress = \"127.0.0.1:8080\"\n", "listen = 8080\n"),
        ],
    );
}

#[test]
fn settings_of_later_versions() {
    check(
        "later-versions",
        &[("[ops]", "[service]\n[ops]"), ("[listen]\n", "[listen]\ntls_certificate = \"cert.pem\"\n")],
    );
}

#[test]
fn values_of_the_wrong_kind() {
    check(
        "values",
        &[
            ("window = \"60s\"", "window = 60"),
            ("window = \"60s\"", "window = \"60\""),
            ("window = \"60s\"", "window = \"60 sec\""),
            ("window = \"60s\"", "window = \"5 minutes\""),
            ("window = \"60s\"", "window = \"30m1h\""),
            ("window = \"60s\"", "window = \"0s\""),
            ("window = \"60s\"", "window = \"999999999999999999d\""),
            ("requests = 100", "requests = 0"),
            ("requests = 100", "requests = -5"),
            ("requests = 100", "requests = \"100\""),
            ("requests = 100", "requests = 99999999999999999999"),
            ("requests = 100", "requests = 100\nburst = 0"),
            ("by = \"address\"", "by = \"adress\""),
            ("by = \"address\"", "by = \"user\""),
            ("public = true", "public = \"yes\""),
            ("methods = [\"GET\"]", "methods = \"GET\""),
            ("methods = [\"GET\"]", "methods = []"),
            ("methods = [\"GET\"]", "methods = [\"get\", \"TRACE\"]"),
            ("methods = [\"GET\"]", "methods = [\"GET\", \"GET\"]"),
            ("kind = \"page\"", "kind = \"page\"\nbody_bytes_max = \"10MB\""),
            ("kind = \"page\"", "kind = \"page\"\nbody_bytes_max = 1048576"),
            ("kind = \"page\"", "kind = \"page\"\nidle_timeout = \"never\""),
            ("[application.shop]\n", "[application.Shop]\n"),
            ("[application.shop]\n", "[application.shop]\napi_key_header = \"Authorization\"\n"),
            ("[application.shop]\n", "[application.shop]\napi_key_header = \"X-Portcullis-User\"\n"),
            ("[application.shop]\n", "[application.shop]\napi_key_header = \"X-Client-Cert\"\n"),
            ("[application.shop]\n", "[application.shop]\napi_key_header = \"X_API_Key\"\n"),
            (
                "[application.shop]\n",
                "[application.shop]\ndrop_headers = [\"Host\", \"X User\", \"Content-Type\", \"X-Portcullis-User\"]\n",
            ),
            ("[application.shop]\n", "[application.shop]\ndrop_headers = [\"X-User-Id\", \"x-user-id\"]\n"),
            (
                "[application.shop]\n",
                "[application.shop]\ntexts = { forbidden = \"\", unauthorized = \"log\\nin\" }\n",
            ),
            ("[application.shop]\n", "[application.shop]\nmode = { auth = \"off\" }\n"),
        ],
    );
}

#[test]
fn addresses_networks_and_hosts() {
    check(
        "addresses",
        &[
            ("address = \"127.0.0.1:8080\"", "address = \"127.0.0.1\""),
            ("address = \"127.0.0.1:8080\"", "address = \":8080\""),
            ("address = \"127.0.0.1:8080\"", "address = \"gate.example.com:443\""),
            ("address = \"127.0.0.1:9090\"", "address = \"0.0.0.0:9090\""),
            ("address = \"127.0.0.1:9090\"", "address = \"127.0.0.1:8080\""),
            ("[ops]", "trusted_proxies = [\"10.1.2.3\"]\n[ops]"),
            ("[ops]", "trusted_proxies = [\"10.1.2.3/8\"]\n[ops]"),
            ("[ops]", "trusted_proxies = [\"0.0.0.0/0\"]\n[ops]"),
            ("[ops]", "trusted_proxies = [\"::ffff:10.0.0.0/104\"]\n[ops]"),
            ("[ops]", "[ban]\nexempt = [\"::/0\"]\n[ops]"),
            ("[ops]", "proxy_protocol = \"required\"\n[ops]"),
            ("[ops]", "trusted_proxies = [\"10.0.0.5/32\"]\nproxy_protocol = \"optional\"\n[ops]"),
            ("[ops]", "forwarded_by = \"x-real-ip\"\n[ops]"),
            ("http://127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/api"),
            ("http://127.0.0.1:3000", "http://admin:canary-in-the-file@127.0.0.1:3000"),
            ("http://127.0.0.1:3000", "ws://127.0.0.1:3000"),
            ("http://127.0.0.1:3000", "https://-shop-:3000"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:99999"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:8080"),
            ("\"shop.example.com\"", "\"https://Shop.example.com:8443/\""),
            ("\"shop.example.com\"", "\"shop.*.com\""),
            ("\"shop.example.com\"", "\"bücher.example\""),
            ("path = \"/tasks\"", "path = \"tasks\""),
            ("path = \"/tasks\"", "path = \"/tasks/:id\""),
            ("path = \"/tasks\"", "path = \"/tasks*\""),
            ("path = \"/tasks\"", "path = \"/tasks?done=1\""),
            ("path = \"/tasks\"", "path = \"/tasks//x\""),
        ],
    );
}

#[test]
fn permissions_roles_and_keys() {
    check(
        "callers",
        &[
            (
                "permissions = [\"read:tasks\", \"write:tasks\"]",
                "permissions = [\"read:*\", \"read:tasks\", \"write:tasks\"]",
            ),
            (
                "permissions = [\"read:tasks\", \"write:tasks\"]",
                "permissions = [\"Read.Tasks\", \"read:tasks\"]",
            ),
            ("user = [\"read:tasks\"]", "user = [\"read:task\", \"read:tasks\"]"),
            ("user = [\"read:tasks\"]", "user = [\"delete:*\", \"read:tasks\"]"),
            ("roles = [\"user\"]", "roles = [\"usr\"]"),
            ("roles = [\"user\"]", "roles = [\"operator\"]"),
            (
                "roles = [\"user\"]\npermissions = [\"read:tasks\"]",
                "roles = [\"user\"]\npermissions = [\"write:tasks\"]",
            ),
            ("name = \"ci\"", "name = \"CI Robot\""),
            ("owner = \"ci@example.com\"", "owner = \"Jürgen\""),
            ("name = \"ci\"", "name = \"pcl_canary-in-the-file\""),
            ("owner = \"ci@example.com\"", "owner = \"pcl_canary-in-the-file\""),
            ("name = \"ci\"\n", ""),
            ("name = \"ci\"\n", "name = \"ci\"\napplications = [\"shopp\"]\n"),
            ("expires = 2027-01-31\n", ""),
            ("expires = 2027-01-31", "expires = 2026-11-22"),
            ("expires = 2027-01-31", "expires = 2027-01-31T12:00:00"),
            ("expires = 2027-01-31", "expires = \"next year\""),
            (
                "[[api_key]]",
                "[[api_key]]\nname = \"ci\"\nowner = \"x\"\nexpires = \"never\"\nkey = \"env:KEY\"\n[[api_key]]",
            ),
        ],
    );
}

#[test]
fn secrets_and_where_they_are() {
    check(
        "secrets",
        &[
            ("hash_key = \"env:HASH\"", "hash_key = \"canary-in-the-file\""),
            ("hash_key = \"env:HASH\"", "hash_key = 1234567890"),
            (
                "hash_key = \"env:HASH\"",
                "hash_key = \"env:HASH\"\nhash_key_file = \"state/api-key-hash.key\"",
            ),
            ("hash_key = \"env:HASH\"", "hash_key = \"env:UNSET\""),
            ("hash_key = \"env:HASH\"", "hash_key = \"env:EMPTY\""),
            ("hash_key = \"env:HASH\"", "hash_key = \"env:NOT A NAME\""),
            ("hash_key = \"env:HASH\"", "hash_key_file = \"missing\""),
            ("hash_key = \"env:HASH\"", "hash_key_file = \"open\""),
            ("hash_key = \"env:HASH\"", "hash_key_file = \"empty\""),
            ("hash_key = \"env:HASH\"", "hash_key_file = \"blank\""),
            ("hash_key = \"env:HASH\"", "hash_key_file = \"locked\""),
            ("hash_key = \"env:HASH\"", "hash_key_file = \"short\""),
            ("hash_key = \"env:HASH\"", "hash_key_file = \"same\""),
            ("hash_key = \"env:HASH\"", ""),
            ("key = \"env:KEY\"", "key = \"canary-in-the-file\""),
            ("key = \"env:KEY\"", "key_file = \"short\""),
            ("key = \"env:KEY\"", "key_file = \"placeholder\""),
            ("key = \"env:KEY\"", ""),
            ("key = \"env:KEY\"", "hash = \"canary-in-the-file\""),
            (
                "key = \"env:KEY\"",
                "key = \"env:KEY\"\nhash = \"hmac-sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
            ),
            ("[[api_key]]\n", "[[api_key]]\npassword = \"canary-in-the-file\"\n"),
            ("[[api_key]]\n", "[[api_key]]\nkey.value = \"canary-in-the-file\"\n"),
        ],
    );
}

#[test]
fn applications_and_routes() {
    let second = "[application.copy]\nhosts = [\"shop.example.com\"]\nupstream.servers = [\"http://127.0.0.1:3001\"]\n\
                  route = [{ name = \"all\", path = \"/*\", public = true }]\n[application.shop]\n";
    check(
        "applications",
        &[
            ("[application.shop]\n", second),
            ("hosts = [\"shop.example.com\"]", ""),
            ("[application.shop.upstream]\nservers = [\"http://127.0.0.1:3000\"]", ""),
            (
                "[application.shop.upstream]\n",
                "[application.shop.upstream]\nhealth = { path = \"/up\", interval = \"1s\" }\n",
            ),
            ("[application.shop.upstream]\n", "[application.shop.upstream]\nhealth = { path = \"up\" }\n"),
            ("limits = [\"per-client\"]", "limits = [\"per-clint\"]"),
            ("limits = [\"per-client\"]", ""),
            ("public = true", ""),
            ("public = true", "public = false"),
            ("public = true", "public = true\npermissions = [\"read:tasks\"]"),
            ("public = true", "api_key_required = true\nroles = [\"admin\"]"),
            ("public = true", "permissions = []"),
            ("public = true", "permissions = [\"read:*\"]"),
            ("public = true", "permissions = [\"raed:tasks\"]"),
            ("public = true", "roles = [\"admn\"]"),
            ("name = \"site\"", "name = \"list\""),
            ("name = \"site\"", ""),
            ("path = \"/*\"", "path = \"/tasks\""),
            (
                "by = \"address\"",
                "by = \"api_key\"\nrequests = 100\nwindow = \"60s\"\n[application.shop.limits.other]\nby = \"address\"",
            ),
            (
                "public = true",
                "public = true\nlimits = [\"by-key\"]\n[application.shop.limits.by-key]\nby = \"api_key\"\nrequests = 10\nwindow = \"1m\"",
            ),
            (
                "public = true",
                "public = true\ninspection = { body_bytes_max = \"2MiB\", over_limit = \"ignore\" }",
            ),
            (
                "[ops]",
                "[bounds]\nbuffered_bytes_max = \"1MiB\"\n[application.shop.texts]\n[ops]\naddress = \"127.0.0.1:9091\"\n[flood]\nmode = \"watch\"\n[log]\nform = \"jsn\"\n[state]\ndirectory = \"\"\n#",
            ),
            ("[ops]", "[bounds]\nrequests_max = 10\nrequests_per_prefix_max = 11\n[ops]"),
            ("[ops]", "[bounds]\nwebsockets_max = 10\nwebsockets_per_prefix_max = 11\n[ops]"),
            ("[ops]", "[bounds]\nhead_bytes_max = \"8KiB\"\nconnections_max = 100\n[ops]"),
            ("[ops]", "[ban]\nhits = 33\n[ops]"),
            ("[ops]", "[bounds]\nbuffered_bytes_per_prefix_max = \"128MiB\"\n[ops]"),
            ("[ops]", "[bounds]\nbuffered_bytes_per_prefix_max = \"512KiB\"\n[ops]"),
            ("public = true", "public = true\npriority = \"lwo\""),
        ],
    );
}

#[test]
fn websockets() {
    check(
        "websockets",
        &[
            ("public = true", "public = true\nwebsocket.origins = []"),
            ("public = true", "public = true\nwebsocket.origins = [\"shop.example.com\"]"),
            ("public = true", "public = true\nwebsocket.origins = [\"wss://shop.example.com/live\"]"),
            ("public = true", "public = true\nwebsocket.origins = [\"https://SHOP.example.com:443\"]"),
            ("public = true", "public = true\nwebsocket.origins = [\"https://*.example.com\"]"),
            ("public = true", "public = true\nwebsocket.origins = [\"null\"]"),
            ("public = true", "public = true\nwebsocket.origins = [\"https://a.example\", \"*\"]"),
            ("public = true", "public = true\nwebsocket.message_bytes_max = \"2GiB\""),
            ("public = true", "public = true\nwebsocket.idle_timeout = \"none\""),
            ("public = true", "public = true\nwebsocket = true"),
            ("public = true", "public = true\nmethods = [\"POST\"]\nwebsocket = {}"),
        ],
    );
}

#[test]
fn what_is_missing_altogether() {
    let keyless = GOOD.replace("[[api_key]]\nname = \"ci\"\nowner = \"ci@example.com\"\nroles = [\"user\"]\npermissions = [\"read:tasks\"]\nexpires = 2027-01-31\nkey = \"env:KEY\"\n", "");
    let routeless = GOOD.split("[[application.shop.route]]").next().unwrap().to_owned();
    let told: Vec<_> =
        ["", &keyless, &routeless].map(|text| rendered(text, &compiled(text).unwrap_err())).into();
    check_text("missing", &told.join("\n\n\n"));
}

#[test]
fn several_mistakes_are_told_at_once() {
    let text = GOOD
        .replace("127.0.0.1:9090", "0.0.0.0:9090")
        .replace("user = [\"read:tasks\"]", "user = [\"read:taks\"]")
        .replace("expires = 2027-01-31", "expires = 2020-01-31")
        .replace("window = \"60s\"", "window = 60")
        .replace("methods = [\"GET\"]", "methods = [\"get\"]")
        .replace("public = true", "public = false");
    check_text("several", &rendered(&text, &compiled(&text).unwrap_err()));
}

#[test]
fn security_headers_that_a_browser_would_skip() {
    let written = |setting: &str| {
        format!("[application.shop.security_headers]\n{setting}\n\n[application.shop.upstream]")
    };
    let cases = [
        "frame_options = \"deny\"",
        "xss_protection = \"1\"",
        "content_type_options = true",
        "referrer_policy = \"none\"",
        "strict_transport_security = \"max-age=1y\"",
        "strict_transport_security = \"31536000\"",
        "content_security_policy = \"default-src self\"",
        "content_security_policy = \"defualt-src 'self'\"",
        "content_security_policy = \"default-src 'self'\\r\\nX: y\"",
        "permissions_policy = \"camera 'none'\"",
        "upstream = \"drop\"",
        "server = \"none\"",
    ]
    .map(written);
    let cases: Vec<_> = cases.iter().map(|to| ("[application.shop.upstream]", &**to)).collect();
    check("security-headers", &cases);
}

#[test]
fn redirects_that_lead_nowhere() {
    let hosts = "hosts = [\"shop.example.com\"]";
    let cases = [
        format!("{hosts}\nhttps = \"redirect\""),
        format!("{hosts}\nhttps = \"refuse\""),
        format!("{hosts}\nhttps = \"always\""),
        format!("{hosts}\nhttps = true"),
        "hosts = [\"shop.example.com\", \"*\"]\nhttps = \"redirect\"".into(),
        format!("{hosts}\nhttps = \"allow\"\npublic_host = \"shop.example.com\""),
        format!("{hosts}\npublic_host = \"https://Shop.example.com/\""),
        format!("{hosts}\npublic_host = \"shop.example.com:443\""),
        format!("{hosts}\npublic_host = \"*.example.com\""),
        format!("{hosts}\npublic_host = \"shop.example.com/a\\r\\nX: y\""),
    ];
    let cases: Vec<_> = cases.iter().map(|to| (hosts, &**to)).collect();
    check("https", &cases);
}

#[test]
fn cors_that_says_nothing_or_lets_everybody_in() {
    let written =
        |settings: &str| format!("[application.shop.cors]\n{settings}\n\n[application.shop.upstream]");
    let cases = [
        "credentials = true",
        "origins = [\"*\"]\ncredentials = true",
        "origins = [\"null\"]\ncredentials = true",
        "origins = [\"*\", \"https://app.example.com\"]",
        "origins = [\"https://app.example.com/\"]",
        "origins = [\"https://*.example.com\"]",
        "origins = \"https://app.example.com\"",
        "origins = [\"https://app.example.com\"]\nmethods = [\"get\"]",
        "origins = [\"https://app.example.com\"]\nrequest_headers = [\"*\"]",
        "origins = [\"https://app.example.com\"]\nexpose = [\"x request id\"]",
        "origins = [\"https://app.example.com\"]\nmax_age = \"2d\"",
        "origin = [\"https://app.example.com\"]",
    ]
    .map(written);
    let cases: Vec<_> = cases.iter().map(|to| ("[application.shop.upstream]", &**to)).collect();
    check("cors", &cases);
}
