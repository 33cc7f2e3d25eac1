//! What passes: messages of every size, both ways, unchanged, at the speed of whoever reads.

use std::time::Duration;

use portcullis_testkit::websocket::{Heard, Masked, frame, opening, switch};
use portcullis_testkit::{RawConnection, RawServer, Speaks, eventually};
use tokio::io::AsyncReadExt;

use crate::gate::DEADLINE;
use crate::websocket::{Stand, WAYS, echo, open_route, start_before};

#[tokio::test]
async fn a_thousand_messages_of_many_sizes_come_back_as_they_were() {
    for speaks in WAYS {
        let stand = Stand::public("message_bytes_max = \"1MiB\"; messages = 100_000").await.over(speaks);
        let mut socket = stand.open("/").await;
        let sizes = [0, 1, 125, 126, 127, 1000, 2047, 2048, 2049, 16_384, 65_535, 65_536, 100_001, 1 << 20];
        for number in 0..1000_usize {
            let size =
                if number < 2 * sizes.len() { sizes[number % sizes.len()] } else { number * 37 % 3000 };
            let bytes: Vec<u8> = (0..size).map(|at| (at ^ number) as u8).collect();
            if number % 2 == 0 {
                socket.send(bytes.clone().into()).await.unwrap();
                assert!(socket.hear().await == Heard::Binary(bytes), "message {number} of {size} bytes");
            } else {
                let text: String = bytes.iter().map(|byte| char::from(byte & 0x7f)).collect();
                echo(&mut socket, &text).await;
            }
        }
        socket.close(1000).await;
        assert_eq!(stand.told().await, "answered -, client 1000: the client closed");
        let event = stand.gate.events().pop().unwrap();
        assert_eq!(
            (&event["websocket"]["messages_in"], &event["websocket"]["messages_out"]),
            (&1000.into(), &1000.into())
        );
        let (bytes_in, bytes_out) =
            (event["bytes_in"].as_u64().unwrap(), event["bytes_out"].as_u64().unwrap());
        // The client's frames have a mask of four bytes each, the Close among them.
        assert_eq!(bytes_in, bytes_out + 1001 * 4, "{event}");
    }
}

#[tokio::test]
async fn many_messages_under_way_at_once_keep_their_order() {
    for speaks in WAYS {
        let stand = Stand::public("messages = 100_000").await.over(speaks);
        let mut socket = stand.open("/").await;
        for number in 0..500 {
            socket.say(&number.to_string()).await;
        }
        for number in 0..500 {
            assert_eq!(socket.hear().await, Heard::Text(number.to_string()));
        }
    }
}

#[tokio::test]
async fn compression_passes_only_where_it_is_allowed_and_agreed_on() {
    let (server, offer) = (RawServer::start().await, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    for (setting, agreed) in [("compression = true", true), ("compression = false", false)] {
        let gate = start_before(&server.url(), &open_route(setting)).await;
        let mut client = RawConnection::open(gate.address("public")).await;
        client.send(opening("/", offer)).await;
        let mut upstream = server.accept().await;
        let request = upstream.read_request().await;
        assert_eq!(request.contains("sec-websocket-extensions: permessage-deflate"), agreed, "{request}");
        upstream.send(switch(&request, if agreed { offer } else { "" })).await;
        assert_eq!(client.read_head().await.status, 101);
        // "Hello", deflated (RFC 7692 §7.2.3.1).
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let sent = frame(0xc1, Masked::Yes, &hello);
        client.send(&sent).await;
        if agreed {
            assert_eq!(upstream.read_exact(sent.len()).await, sent);
            let back = frame(0xc1, Masked::No, &hello);
            upstream.send(&back).await;
            assert_eq!(client.read_exact(back.len()).await, back);
        } else {
            let refused = frame(0x88, Masked::No, &1002_u16.to_be_bytes());
            assert_eq!(client.read_exact(refused.len()).await, refused);
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_the_upstream_wait_and_costs_no_memory() {
    for speaks in WAYS {
        let stand = Stand::public("").await.over(speaks);
        let settled = async || {
            // It floods until nothing is taken any more: then nothing changes any more either.
            let mut last = 0;
            let same = || {
                let now = stand.gate.memory().resident_kib;
                std::future::ready(std::mem::replace(&mut last, now) == now)
            };
            eventually(DEADLINE, same).await;
        };
        // The first one brings code and tables into memory that a process has only just begun to use.
        let mut sockets = vec![stand.open("/flood").await.fall_silent()];
        stand.ledger_at_rest().await;
        settled().await;
        let before = stand.gate.memory().resident_kib;
        for _ in 0..20 {
            sockets.push(stand.open("/flood").await.fall_silent());
        }
        settled().await;
        let grown = stand.gate.memory().peak_kib.saturating_sub(before);
        // Over HTTP/2 the library has a connection's state and a stream's queue of its own.
        let each = if speaks == Speaks::Http1 { 256 } else { 512 };
        assert!(grown < 20 * each, "{grown} KiB for 20 WebSockets");
        // Nobody was forgotten: whoever reads again gets what was held back.
        let mut bytes = vec![0; 4 << 20];
        tokio::time::timeout(DEADLINE, sockets[0].read_exact(&mut bytes)).await.expect("it flows").unwrap();
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_read_makes_the_client_wait() {
    for speaks in WAYS {
        let stand = Stand::public("message_bytes_max = \"1GiB\"; messages = 10_000_000").await.over(speaks);
        let mut socket = stand.open("/deaf").await;
        stand.ledger_at_rest().await;
        let before = stand.gate.memory().resident_kib;
        let message = vec![7; 1 << 20];
        let mut taken = 0;
        let fill = async {
            for _ in 0..64 {
                if socket.send(message.clone().into()).await.is_err() {
                    break;
                }
                taken += 1;
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_secs(3), fill).await.is_err(),
            "64 MiB that nobody reads are taken"
        );
        let grown = stand.gate.memory().peak_kib.saturating_sub(before);
        assert!(taken < 64 && grown < 4 << 10, "{taken} MiB taken, {grown} KiB held");
    }
}

#[tokio::test]
async fn one_who_talks_without_a_pause_does_not_keep_the_other_from_being_heard() {
    for speaks in WAYS {
        let stand = Stand::public("message_bytes_max = \"1GiB\"; messages = 10_000_000").await.over(speaks);
        let mut socket = stand.open("/").await;
        let message = vec![7; 64 << 10];
        for _ in 0..100 {
            socket.send(message.clone().into()).await.unwrap();
            assert_eq!(socket.hear().await, Heard::Binary(message.clone()));
        }
        eventually(DEADLINE, || async { stand.metric("portcullis_websockets").await == 1.0 }).await;
    }
}
