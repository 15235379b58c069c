//! Statements per second, side by side, beside a test cluster: `cargo xtask bench` runs it and reads what it prints.
//!
//! ```sh
//! cargo xtask test-cluster --replicas 1 -- cargo bench -p ms-pool --bench throughput
//! cargo xtask test-cluster --replicas 1 -- cargo bench -p ms-pool --bench throughput -- --quick
//! ```
//!
//! A machine is never equally fast twice, so nothing is measured alone: a round gives each executor a short block, in an order
//! that turns from round to round, and ratios are taken within a round. What is printed, one line each and separated by tabs,
//! are medians with the first and third quartile: `rate TASKS WORK EXECUTOR PER_SECOND Q1 Q3` and
//! `ratio TASKS WORK EXECUTOR BASELINE RATIO Q1 Q3`.

#![allow(clippy::print_stdout, reason = "what it measures is its output")]

use std::{
    env,
    time::{Duration, Instant},
};

use ms_config::Compat;

mod workload;

use workload::{Kind, Runner, Work};

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    block: Duration,
}

const FULL: Effort = Effort { rounds: 24, block: Duration::from_millis(60) };
const QUICK: Effort = Effort { rounds: 8, block: Duration::from_millis(25) };

/// Who is compared with whom.
const RATIOS: [(Kind, Kind); 4] = [
    (Kind::Session(Compat::Classic), Kind::Connection),
    (Kind::Session(Compat::Strict), Kind::Connection),
    (Kind::Cluster(Compat::Classic), Kind::Pool),
    (Kind::Cluster(Compat::Strict), Kind::Pool),
];

#[tokio::main]
async fn main() {
    let effort = if env::args().any(|it| it == "--quick") { QUICK } else { FULL };
    workload::prepare().await;
    for tasks in [1, 32] {
        for work in Work::ALL {
            compare(tasks, work, effort).await;
        }
    }
}

async fn compare(tasks: u32, work: Work, effort: Effort) {
    let mut runners = Vec::new();
    for kind in Kind::ALL {
        runners.push(kind.make(tasks).await);
    }
    // By executor, then by round.
    let mut rates = vec![Vec::new(); Kind::ALL.len()];
    // The first round opens connections and prepares statements; it is not counted.
    for round in 0..=effort.rounds {
        for nth in 0..Kind::ALL.len() {
            let at = (round + nth) % Kind::ALL.len();
            let (rate, back) = block(std::mem::take(&mut runners[at]), work, effort.block).await;
            runners[at] = back;
            if round > 0 {
                rates[at].push(rate);
            }
        }
    }

    let place = |kind: Kind| Kind::ALL.iter().position(|it| *it == kind).expect("it is one of all");
    for kind in Kind::ALL {
        let [low, median, high] = quartiles(rates[place(kind)].clone());
        println!("rate\t{tasks}\t{}\t{}\t{median:.0}\t{low:.0}\t{high:.0}", work.name(), kind.name());
    }
    for (kind, baseline) in RATIOS {
        let both = rates[place(kind)].iter().zip(&rates[place(baseline)]);
        let [low, median, high] = quartiles(both.map(|(it, base)| it / base).collect());
        let (work, kind, baseline) = (work.name(), kind.name(), baseline.name());
        println!("ratio\t{tasks}\t{work}\t{kind}\t{baseline}\t{median:.3}\t{low:.3}\t{high:.3}");
    }
}

/// Runs all tasks for a while; statements per second, and the runners for the next block.
async fn block(runners: Vec<Runner>, work: Work, length: Duration) -> (f64, Vec<Runner>) {
    let began = Instant::now();
    let tasks = runners.into_iter().map(|mut runner| {
        tokio::spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < length {
                runner.run(work).await;
                count += 1;
            }
            (count, runner)
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut total = 0;
    let mut back = Vec::new();
    for task in tasks {
        let (count, runner) = task.await.expect("statements do not panic");
        total += count;
        back.push(runner);
    }
    (f64::from(total) / began.elapsed().as_secs_f64(), back)
}

/// First quartile, median, third quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
