//! WebSockets over TLS, and what the end of a certificate means for one that is open.

use std::time::{Duration, Instant};

use portcullis_testkit::websocket::Heard;
use portcullis_testkit::{
    Authority, Credentials, Gate, Signal, Speaks, Websocket, WebsocketUpstream, eventually,
};

use super::speaking_tls;
use crate::gate::{DEADLINE, binary};
use crate::websocket::WAYS;

/// How soon one must end whose leave is gone.
const SOON: Duration = Duration::from_secs(1);

/// A gate whose only route takes WebSockets over TLS, from partners.
struct World {
    gate: Gate,
    _upstream: WebsocketUpstream,
    authority: Authority,
    partners: Authority,
}

impl World {
    async fn start() -> Self {
        let upstream = WebsocketUpstream::start().await;
        let (authority, partners) = (Authority::new(), Authority::new());
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n\
             [client_authority.partners]\nfile = \"partners.pem\"\n\
             [application.test]\nhosts = [\"live.test\"]\nupstream.servers = [\"{}\"]\n\
             [[application.test.route]]\nname = \"live\"\npath = \"/*\"\nclient_certificate = \"partners\"\n\
             websocket.origin_required = false\n",
            upstream.url()
        );
        let credentials = authority.certificate(&["live.test"]);
        let builder =
            Gate::builder(binary()).config(&speaking_tls(&text, "")).file("partners.pem", partners.pem());
        let builder =
            builder.file("tls/cert.pem", credentials.certificate).file("tls/key.pem", credentials.key);
        Self { gate: builder.start().await, _upstream: upstream, authority, partners }
    }

    async fn open(&self, speaks: Speaks, certificate: Option<&Credentials>) -> Result<Websocket, u16> {
        let (address, host) = (self.gate.address("public"), "live.test");
        let opened = match speaks {
            Speaks::Http1 => Websocket::open_secure(address, host, &self.authority, certificate, "/").await,
            Speaks::Http2 => {
                Websocket::open_secure_stream(address, host, &self.authority, certificate, "/").await
            }
        };
        opened.map_err(|status| status.as_u16())
    }

    /// Why so many WebSockets have ended.
    async fn told(&self, count: usize) -> Vec<String> {
        eventually(DEADLINE, async || self.gate.events().len() == count).await;
        let events = self.gate.events();
        events.iter().map(|event| event["reason"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_websocket_over_tls_carries_what_is_said() {
    let world = World::start().await;
    let certificate = world.partners.certificate(&["partner"]);
    for speaks in WAYS {
        let mut socket = world.open(speaks, Some(&certificate)).await.unwrap();
        for text in ["hello", &"long ".repeat(40_000), ""] {
            socket.say(text).await;
            assert_eq!(socket.hear().await, Heard::Text(text.to_owned()));
        }
        socket.close(1000).await;
        assert_eq!(world.open(speaks, None).await.err(), Some(403), "nobody without a certificate");
    }
}

#[tokio::test]
async fn it_ends_with_the_certificate_that_opened_it() {
    let world = World::start().await;
    let lasts = Duration::from_secs(3);
    let ends = Instant::now() + lasts;
    let certificate = world.partners.short_certificate(&["partner"], lasts);
    let mut sockets = Vec::new();
    for speaks in WAYS {
        sockets.push(world.open(speaks, Some(&certificate)).await.unwrap());
    }
    for socket in &mut sockets {
        assert_eq!(socket.hear().await, Heard::Close(1008));
        assert!(Instant::now() < ends + SOON);
    }
    assert_eq!(world.told(2).await, ["the client certificate has expired"; 2]);
}

#[tokio::test]
async fn it_ends_when_its_certificate_is_revoked_and_the_others_go_on() {
    let world = World::start().await;
    let [one, two] = ["one", "two"].map(|name| world.partners.certificate(&[name]));
    let (mut revoked, mut others) = (Vec::new(), Vec::new());
    for speaks in WAYS {
        revoked.push(world.open(speaks, Some(&one)).await.unwrap());
        others.push(world.open(speaks, Some(&two)).await.unwrap());
    }
    let list = world.partners.revokes(&[&one], Duration::from_secs(3600));
    std::fs::write(world.gate.folder().join("partners.crl"), list).unwrap();
    let config = std::fs::read_to_string(world.gate.folder().join("portcullis.toml")).unwrap();
    let file = "file = \"partners.pem\"\n";
    world.gate.write_config(&config.replacen(file, &format!("{file}crl_file = \"partners.crl\"\n"), 1));
    world.gate.signal(Signal::Hangup);
    for socket in &mut revoked {
        assert_eq!(socket.hear().await, Heard::Close(1008));
    }
    for socket in &mut others {
        socket.say("still here").await;
        assert_eq!(socket.hear().await, Heard::Text("still here".to_owned()));
    }
}

#[tokio::test]
async fn it_ends_when_another_authority_takes_the_place_of_its_own() {
    let world = World::start().await;
    let mut sockets = Vec::new();
    for speaks in WAYS {
        sockets.push(world.open(speaks, Some(&world.partners.certificate(&["partner"]))).await.unwrap());
    }
    std::fs::write(world.gate.folder().join("partners.pem"), Authority::new().pem()).unwrap();
    world.gate.signal(Signal::Hangup);
    for socket in &mut sockets {
        assert_eq!(socket.hear().await, Heard::Close(1008));
    }
    let expected = "the configuration does not let this principal here any more";
    assert_eq!(world.told(2).await, [expected; 2]);
}
