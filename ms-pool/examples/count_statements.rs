//! Runs one statement so many times through one kind of executor, for counting instructions beside a test cluster:
//!
//! ```sh
//! cargo build --release -p ms-pool --example count_statements
//! cargo xtask test-cluster --replicas 1 -- sh -c 'for n in 1000 3000; do valgrind --tool=callgrind \
//!     --callgrind-out-file=/dev/null target/release/examples/count_statements session-strict one_text $n; done'
//! ```
//!
//! The difference of the two totals, divided by 2000, is the cost of one statement in this process: of sqlx, tokio and the C
//! library as well, but not of the kernel or the server. `cargo xtask bench` does all that for every pair.

use std::{env, process::ExitCode};

#[path = "../benches/workload/mod.rs"]
mod workload;

use workload::{Kind, Work};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [executor, work, times] = arguments.as_slice() else {
        // Made apart from the counted runs, which must not differ in anything but their number.
        workload::prepare().await;
        return ExitCode::SUCCESS;
    };
    let kind = Kind::ALL.into_iter().find(|it| it.name() == executor);
    let work = Work::ALL.into_iter().find(|it| it.name() == work);
    let (Some(kind), Some(work), Ok(times)) = (kind, work, times.parse::<u32>()) else {
        return ExitCode::from(2);
    };
    for mut runner in kind.make(1).await {
        for _ in 0..times {
            runner.run(work).await;
        }
    }
    ExitCode::SUCCESS
}
