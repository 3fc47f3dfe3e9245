//! Events a second that a publisher gets to all its subscribers, with nothing lost but by the slow one.
use super::events::{publish, Payload, Reader, Row, PAYLOAD};
use crate::region::{config, Attached};
use crate::report::{entry, Report, Work};
use crate::team::{Member, Team, OWN};
use iceoryx2::prelude::*;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// Published in a row, before all that are not slow must have taken them: a quarter of the default ring.
const BATCH: usize = 256;
const KIND: &str = "reading";

fn publisher(subject: &str, folder: &Path, subscribers: usize) -> Box<dyn FnMut()> {
    if subject == "corestate" {
        let region = Attached::create(&folder.join("region"), &config(16, 256));
        let kind = region.kind(KIND);
        return Box::new(move || publish(&region, kind));
    }
    let node = NodeBuilder::new().create::<ipc::Service>().expect("iceoryx2's node");
    let name = format!("corestate-bench{}", folder.display());
    let service = node
        .service_builder(&name.as_str().try_into().expect("a service name"))
        .publish_subscribe::<Payload>()
        .subscriber_max_buffer_size(1024)
        .max_subscribers(subscribers)
        .max_nodes(subscribers + 1)
        .create()
        .expect("iceoryx2's service");
    let publisher = service.publisher_builder().create().expect("iceoryx2's publisher");
    Box::new(move || {
        let _kept = (&node, &service);
        publisher.send_copy(PAYLOAD).expect("iceoryx2's send");
    })
}

pub fn run(report: &mut Report, folder: &Path) {
    if !report.wants("event_rate") {
        return;
    }
    for (subscribers, slow) in [(1usize, 0usize), (4, 0), (16, 0), (4, 1), (16, 1)] {
        let work = Work {
            key: "event_rate",
            what: "events of 40 bytes a second, each taken by every subscriber, each a process; one of them slow takes 1 ms over each and is not waited for",
            parameters: json!({"subscribers": subscribers, "slow": slow}),
            unit: "/s",
            better: "more",
        };
        let batches = (report.slice.as_micros() as usize / 100).max(4);
        let entries = ["corestate", "iceoryx2"].map(|subject| {
            let own = folder.join(format!("rate-{subscribers}-{slow}-{subject}"));
            std::fs::create_dir_all(&own).expect("a folder");
            let mut send = publisher(subject, &own, subscribers);
            let mut team = Team::start(&own, if slow == 1 { "drain-slow" } else { "drain" }, subject, subscribers);
            let mut total = 0u64;
            entry(subject, move || {
                team.go(true);
                let started = Instant::now();
                for _ in 0..batches {
                    for _ in 0..BATCH {
                        send();
                    }
                    total += BATCH as u64;
                    team.wait_for("subscribers to have taken a batch", |shared| {
                        (slow..subscribers).all(|index| shared.word(OWN + index).load(SeqCst) >= total)
                    });
                }
                let passed = started.elapsed();
                team.go(false);
                (batches * BATCH) as f64 / passed.as_secs_f64()
            })
        });
        report.contest(&work, entries.into());
    }
}

/// The part of a subscriber; with `slow` the first of them is.
pub fn member(member: &Member, slow: bool) {
    let slow = slow && member.index == 0;
    let mut take = subscriber(member);
    let word = member.shared.word(OWN + member.index);
    member.attend(|| {
        let count = take(if slow { 1 } else { BATCH });
        if count == 0 {
            std::thread::yield_now();
        } else {
            word.fetch_add(count as u64, SeqCst);
            if slow {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
}

/// Takes at most so many events; how many.
fn subscriber(member: &Member) -> Box<dyn FnMut(usize) -> usize> {
    if member.subject == "corestate" {
        let region = Attached::open(&member.folder.join("region"));
        let mut reader = Reader::of(&region, region.kind(KIND));
        let mut rows = vec![unsafe { std::mem::zeroed::<Row>() }; BATCH];
        return Box::new(move |most| reader.drain(&region, &mut rows[..most]));
    }
    let node = NodeBuilder::new().create::<ipc::Service>().expect("iceoryx2's node");
    let name = format!("corestate-bench{}", member.folder.display());
    let service = node
        .service_builder(&name.as_str().try_into().expect("a service name"))
        .publish_subscribe::<Payload>()
        .open()
        .expect("iceoryx2's service");
    let subscriber = service.subscriber_builder().create().expect("iceoryx2's subscriber");
    Box::new(move |most| {
        let _kept = (&node, &service);
        let mut count = 0;
        while count < most {
            match subscriber.receive().expect("iceoryx2's receive") {
                Some(sample) => {
                    std::hint::black_box(*sample.payload());
                    count += 1;
                }
                None => break,
            }
        }
        count
    })
}
