//! A connection is for the host that it was opened for.

use portcullis_testkit::Speaks;

use super::Secure;
use crate::gate::EVERYTHING_PUBLIC;

#[tokio::test]
async fn a_request_for_another_host_than_the_handshakes_is_misdirected() {
    let secure = Secure::start().await;
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let client = secure.client(speaks);
        let asked = client.get(secure.url("shop.test", "/echo")).header("host", "a.shop.test");
        // The certificate covers both, so a browser may well try.
        let answer = asked.send().await;
        let expected = if speaks == Speaks::Http1 { 421 } else { 400 };
        assert_eq!(answer.status, expected, "{}", answer.text());
        assert_eq!(client.get(secure.url("a.shop.test", "/echo")).send().await.status, 200);
    }
    assert_eq!(secure.upstream.requests_seen().len(), 2);
}

#[tokio::test]
async fn a_proxy_in_front_carries_requests_for_many_hosts() {
    let secure = Secure::with("", EVERYTHING_PUBLIC, |builder| {
        builder.replace("[listen.tls]", "trusted_proxies = [\"127.0.0.1/32\"]\n[listen.tls]")
    })
    .await;
    let client = secure.client(Speaks::Http1);
    let asked = client.get(secure.url("shop.test", "/echo")).header("host", "www.example.com");
    assert_eq!(asked.send().await.status, 200);
}
