//! Classifies one of the benchmarks' texts so many times, for counting instructions:
//!
//! ```sh
//! cargo build --release -p ms-hints --example count
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/count strict select_1 1000
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/count strict select_1 2000
//! ```
//!
//! The difference of the two totals, divided by 1000, is the cost of one statement.

use std::{env, hint::black_box, process::ExitCode};

use ms_hints::{Compat, Options, Statement};

mod texts;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let [_, compat, name, times] = arguments.as_slice() else { return ExitCode::from(2) };
    let compat = if compat == "classic" { Compat::Classic } else { Compat::Strict };
    let options = Options { compat, ..Options::default() };
    let texts = texts::all();
    let Some((_, text)) = texts.iter().find(|(known, _)| known == name) else { return ExitCode::from(2) };
    let Ok(times) = times.parse::<usize>() else { return ExitCode::from(2) };
    for _ in 0..times {
        black_box(Statement::parse(black_box(text.as_bytes()), black_box(&options)));
    }
    ExitCode::SUCCESS
}
