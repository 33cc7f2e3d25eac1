//! The strict head on a socket, with the HTTP library behind it: who is answered, in which order, and by
//! whom.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{LIMITS, bytes};
use crate::io::{ClientIo, InTurn};
use crate::strict::inbox::Refused;
use crate::strict::{Limits, RawHead};

const DEADLINE: Duration = Duration::from_secs(20);

/// A served connection.
struct Served {
    read: ReadHalf<DuplexStream>,
    write: WriteHalf<DuplexStream>,
    serving: JoinHandle<hyper::Result<()>>,
    seen: Arc<Counts>,
}

/// What the gate's side saw.
struct Counts {
    asked: AtomicUsize,
    /// Answers that were given up because the client had left.
    left: AtomicUsize,
    refused: AtomicUsize,
    /// Lets `/slow` answer.
    leave: Semaphore,
}

/// Counts an answer as given up, unless it is told otherwise.
struct Leaving(Option<Arc<Counts>>);

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(seen) = &self.0 {
            seen.left.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Served {
    /// `buffer_bytes` is what the connection itself holds in each direction.
    fn new(limits: Limits, buffer_bytes: usize) -> Self {
        let (client, server) = tokio::io::duplex(buffer_bytes);
        let zero = || AtomicUsize::new(0);
        let seen =
            Arc::new(Counts { asked: zero(), left: zero(), refused: zero(), leave: Semaphore::new(0) });
        let refusals = Arc::clone(&seen);
        let refuse = Box::new(move |refused: &Refused| {
            refusals.refused.fetch_add(1, Ordering::SeqCst);
            let text = format!("{} {}: {}", refused.method, refused.path, refused.fault);
            let status = refused.fault.status();
            Some(Response::builder().status(status).body(Full::new(Bytes::from(text))).unwrap())
        });
        let io = ClientIo::new(server, limits, DEADLINE, refuse);
        let (turns, counts) = (io.turns(), Arc::clone(&seen));
        let service = service_fn(move |request| {
            let (raw, turn) = turns.begin();
            let answer = answer(request, raw.unwrap(), Arc::clone(&counts));
            async move { Ok::<_, Infallible>(answer.await.map(|body| InTurn::new(body, turn))) }
        });
        // Without a timeout for heads nothing but the end of a turn wakes a head that waits.
        let mut http = http1::Builder::new();
        http.half_close(false);
        let serving = tokio::spawn(http.serve_connection(io, service));
        let (read, write) = tokio::io::split(client);
        Self { read, write, serving, seen }
    }

    fn usual() -> Self {
        Self::new(LIMITS, 1 << 16)
    }

    /// Sends all of `input` and reads until the gate closes.
    async fn exchange(mut self, input: &[u8]) -> String {
        let mut answers = Vec::new();
        let both = async { tokio::join!(self.write.write_all(input), self.read.read_to_end(&mut answers)) };
        // A gate that has closed takes no more.
        let (_, read) = timeout(DEADLINE, both).await.expect("the connection ends");
        read.unwrap();
        String::from_utf8(answers).unwrap()
    }

    async fn until(&self, is_so: impl Fn(&Counts) -> bool) {
        let waiting = async {
            while !is_so(&self.seen) {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, waiting).await.expect("it comes to that");
    }
}

/// What the application would say.
async fn answer(request: Request<Incoming>, raw: RawHead, seen: Arc<Counts>) -> Response<Full<Bytes>> {
    seen.asked.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    assert_eq!(
        raw.target(),
        request.uri().path_and_query().unwrap().as_str().as_bytes(),
        "each has its own head"
    );
    let text = |text: String| Response::new(Full::new(Bytes::from(text)));
    match &*path {
        "/ignore" => text("ignored".into()),
        "/big" => text("b".repeat(100_000)),
        "/slow" => {
            let mut leaving = Leaving(Some(Arc::clone(&seen)));
            seen.leave.acquire().await.unwrap().forget();
            leaving.0 = None;
            text("slow".into())
        }
        _ => match request.into_body().collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                text(format!("{path} {} {}", body.len(), body.iter().map(|b| u64::from(*b)).sum::<u64>()))
            }
            Err(error) => {
                let mut response =
                    text(format!("{path} broke: {}", std::error::Error::source(&error).unwrap()));
                *response.status_mut() = http::StatusCode::BAD_REQUEST;
                response
            }
        },
    }
}

/// Status and body of each answer.
fn brief(answers: &str) -> Vec<(String, String)> {
    let (mut rest, mut brief) = (answers, Vec::new());
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let status = head.split(' ').nth(1).unwrap().to_owned();
        let length = head
            .to_ascii_lowercase()
            .split("content-length: ")
            .nth(1)
            .map_or(0, |text| text.split("\r\n").next().unwrap().parse().unwrap());
        let (body, after) = after.split_at(length);
        brief.push((status, body.to_owned()));
        rest = after;
    }
    assert_eq!(rest, "", "{answers}");
    brief
}

fn expect(answers: &str, expected: &[(&str, &str)]) {
    let brief = brief(answers);
    let brief: Vec<(&str, &str)> = brief.iter().map(|(status, body)| (&**status, &**body)).collect();
    assert_eq!(brief, expected);
}

#[tokio::test]
async fn a_bad_head_is_answered_by_us_once_and_the_connection_ends() {
    for (input, status, text) in [
        (
            "GET /a?b HTTP/1.1\nHost : a\n\n",
            "400",
            "GET /a: white space between a field's name and its colon",
        ),
        ("\x16\x03\x01", "400", " : a control character"),
        ("GET /a HTTP/3.0\n", "505", "GET /a: the version of HTTP is not 1.0 or 1.1"),
        ("GET /a HTTP/1.1\nHost: a\n\r\r", "400", "GET /a: CR without LF"),
    ] {
        let served = Served::usual();
        let seen = Arc::clone(&served.seen);
        let answers = served.exchange(&bytes(input)).await;
        expect(&answers, &[(status, text)]);
        assert_eq!((seen.asked.load(Ordering::SeqCst), seen.refused.load(Ordering::SeqCst)), (0, 1));
    }
}

#[tokio::test]
async fn a_refused_head_request_gets_a_head() {
    let get = Served::usual().exchange(&bytes("GET /a HTTP/1.1\nBad : x\n\n")).await;
    let head = Served::usual().exchange(&bytes("PUT /a HTTP/1.1\nBad : x\n\n")).await;
    assert_eq!(get.replace("GET", "PUT"), head);
    let head = Served::usual().exchange(&bytes("HEAD /a HTTP/1.1\nBad : x\n\n")).await;
    let (get, _body) = get.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-length: ") && head.ends_with("\r\n\r\n"));
    assert_eq!((head.lines().count(), head.split("\r\n\r\n").count()), (get.lines().count() + 1, 2));
}

#[tokio::test]
async fn garbage_after_good_requests_is_answered_after_them() {
    for good in 1..5 {
        let get = "GET /x HTTP/1.1\nHost: a\n\n".repeat(good);
        let answers = Served::usual().exchange(&bytes(&format!("{get}GARBAGE\n\n"))).await;
        let brief = brief(&answers);
        assert!(
            brief[..good].iter().all(|(status, body)| (&**status, &**body) == ("200", "/x 0 0")),
            "{answers}"
        );
        assert_eq!((brief.len(), &*brief[good].0), (good + 1, "400"), "{answers}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_its_time_is_not_overtaken() {
    let mut served = Served::usual();
    served.write.write_all(&bytes("GET /slow HTTP/1.1\nHost: a\n\n\0\0\0")).await.unwrap();
    served.until(|seen| seen.asked.load(Ordering::SeqCst) == 1).await;
    assert_eq!(served.seen.refused.load(Ordering::SeqCst), 0);
    served.seen.leave.add_permits(1);
    let answers = served.exchange(b"").await;
    expect(&answers, &[("200", "slow"), ("400", " : a NUL byte")]);
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_is_not_cut_off() {
    let mut served = Served::new(LIMITS, 64);
    let input = bytes("GET /big HTTP/1.1\nHost: a\n\nGET /x HTTP/1.1\nHost: a\n\n: \n");
    let (_, answers) = tokio::join!(served.write.write_all(&input), async {
        let mut answers = Vec::new();
        timeout(DEADLINE, served.read.read_to_end(&mut answers)).await.unwrap().unwrap();
        String::from_utf8(answers).unwrap()
    });
    let big = "b".repeat(100_000);
    let brief = brief(&answers);
    assert_eq!(brief[0], ("200".to_owned(), big));
    assert_eq!((&*brief[1].1, &*brief[2].0, brief.len()), ("/x 0 0", "400", 3));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order_in_any_portions() {
    let input = bytes(
        "GET /a HTTP/1.1\nHost: a\n\n\
         POST /b HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc\n\
         GET /ignore HTTP/1.1\nHost: a\n\n\
         PUT /d HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3;x=y\nabc\n0\n\n\
         HEAD /e HTTP/1.1\nHost: a\n\nGET /f HTTP/1.1\nHost: a\nConnection: close\n\n: never read\n",
    );
    for portion in [1, 7, 100, 1000] {
        let mut served = Served::usual();
        let mut answers = Vec::new();
        let write = async {
            for piece in input.chunks(portion) {
                served.write.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let both = async { tokio::join!(write, served.read.read_to_end(&mut answers)) };
        timeout(DEADLINE, both).await.unwrap().1.unwrap();
        let answers = String::from_utf8(answers).unwrap();
        let bodies = ["/a 0 0", "/b 3 294", "ignored", "/d 3 294", "/f 0 0"];
        let told: Vec<_> = bodies.iter().filter_map(|body| answers.find(body)).collect();
        assert!(told.len() == 5 && told.is_sorted(), "{portion}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 6, "{portion}: {answers}");
        assert_eq!(served.seen.refused.load(Ordering::SeqCst), 0, "what follows a close is not looked at");
    }
}

#[tokio::test]
async fn a_fault_within_a_body_is_its_readers_to_tell() {
    for (body, why) in [
        ("zz\n", "a chunk's size is not hexadecimal digits and nothing else"),
        ("3\nabcd\n0\n\n", "a chunk is longer than its size says"),
        ("3\nabc\n0\nHost : b\n\n", "white space between a field's name and its colon"),
        ("3;a\nabc\n0\nX: y␊\n", "a line ends in LF alone"),
    ] {
        let served = Served::usual();
        let seen = Arc::clone(&served.seen);
        let input = format!("POST /read HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n{body}");
        let answers = served.exchange(&bytes(&format!("{input}GET /smuggled HTTP/1.1\nHost: a\n\n"))).await;
        expect(&answers, &[("400", &format!("/read broke: {why}"))]);
        assert_eq!((seen.asked.load(Ordering::SeqCst), seen.refused.load(Ordering::SeqCst)), (1, 0));
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_hide_what_follows() {
    // Small enough to be drained: the next one is in step, or the connection ends.
    let input =
        "POST /ignore HTTP/1.1\nHost: a\nContent-Length: 5\n\nhelloGET /x HTTP/1.1\nHost: a\n\n: bad\n";
    let answers = Served::usual().exchange(&bytes(input)).await;
    let brief = brief(&answers);
    assert_eq!(brief[0], ("200".to_owned(), "ignored".to_owned()));
    assert!(brief.len() == 1 || (brief[1].1 == "/x 0 0" && brief[2].0 == "400"), "{answers}");
    // With a fault in it the connection ends after the answer, and nothing is said twice.
    let input =
        "POST /ignore HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\nzz\nGET /x HTTP/1.1\nHost: a\n\n";
    expect(&Served::usual().exchange(&bytes(input)).await, &[("200", "ignored")]);
}

#[tokio::test]
async fn large_bodies_pass_whole() {
    let data: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let sum: u64 = data.iter().map(|byte| u64::from(*byte)).sum();
    let mut by_length = bytes("PUT /l HTTP/1.1\nHost: a\nContent-Length: 1000000\n\n");
    by_length.extend(&data);
    let mut input = bytes("PUT /c HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n");
    for piece in data.chunks(777) {
        input.extend(format!("{:X}\r\n", piece.len()).into_bytes());
        input.extend(piece);
        input.extend(b"\r\n");
    }
    input.extend(b"0\r\n\r\n");
    input.extend(&by_length);
    input.extend(b":\r\n");
    for buffer_bytes in [100, 1 << 20] {
        let answers = Served::new(LIMITS, buffer_bytes).exchange(&input).await;
        let brief = brief(&answers);
        assert_eq!(brief[0].1, format!("/c 1000000 {sum}"));
        assert_eq!(brief[1].1, format!("/l 1000000 {sum}"));
        assert_eq!((brief.len(), &*brief[2].0), (3, "400"));
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_while_it_is_answered() {
    let mut served = Served::usual();
    served.write.write_all(&bytes("GET /slow HTTP/1.1\nHost: a\n\n")).await.unwrap();
    served.until(|seen| seen.asked.load(Ordering::SeqCst) == 1).await;
    let Served { read, write, serving, seen } = served;
    drop((read, write));
    let ended = timeout(DEADLINE, serving).await.expect("the connection ends").unwrap();
    assert!(ended.is_err() && seen.left.load(Ordering::SeqCst) == 1);
}

#[tokio::test]
async fn half_a_head_and_no_more_ends_in_silence() {
    for input in ["", "\n", "GET / HT", "GET / HTTP/1.1\nHost: a\n", "GET /x HTTP/1.1\nHost: a\n\nGET"] {
        let mut served = Served::usual();
        served.write.write_all(&bytes(input)).await.unwrap();
        if input.ends_with("GET") {
            served.read.read_u8().await.unwrap();
        }
        served.write.shutdown().await.unwrap();
        let mut rest = String::new();
        timeout(DEADLINE, served.read.read_to_string(&mut rest)).await.unwrap().unwrap();
        assert!(rest.is_empty() || rest.starts_with("TTP/1.1 200 OK"), "{input}: {rest}");
        assert!(timeout(DEADLINE, served.serving).await.unwrap().unwrap().is_ok(), "{input}");
    }
}

#[tokio::test]
async fn an_upgrade_that_nobody_grants_changes_nothing() {
    let input = "GET /x HTTP/1.1\nHost: a\nConnection: upgrade\nUpgrade: websocket\n\n: bad\n";
    let answers = Served::usual().exchange(&bytes(input)).await;
    assert_eq!(brief(&answers).iter().map(|(status, _)| &**status).collect::<Vec<_>>(), ["200", "400"]);
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let mut served = Served::usual();
    let head = "PUT /x HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 2\n\n";
    served.write.write_all(&bytes(head)).await.unwrap();
    let mut interim = vec![0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    timeout(DEADLINE, served.read.read_exact(&mut interim)).await.unwrap().unwrap();
    assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    let answers = served.exchange(&bytes("hi: bad\n")).await;
    assert_eq!(brief(&answers).iter().map(|(status, _)| &**status).collect::<Vec<_>>(), ["200", "400"]);
}

#[tokio::test]
async fn an_old_client_is_served_and_asked_to_speak_clearly() {
    let keep = "GET /x HTTP/1.0\nConnection: keep-alive\n\n";
    let input = format!("{keep}{keep}POST /x HTTP/1.0\nTransfer-Encoding: chunked\n\n0\n\n");
    let answers = Served::usual().exchange(&bytes(&input)).await;
    assert_eq!(
        brief(&answers).iter().map(|(status, _)| &**status).collect::<Vec<_>>(),
        ["200", "200", "400"]
    );
    let answers = Served::usual().exchange(&bytes("GET /x HTTP/1.0\n\n: never read\n")).await;
    expect(&answers, &[("200", "/x 0 0")]);
}
