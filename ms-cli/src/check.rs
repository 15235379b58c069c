//! `ms check`: what is wrong with a configuration file, and what it means.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use ms_config::{
    Config, Diagnostic, Filter, Mode, OwnFilters, Parsed, Retries, Section, Server, Settings, Severity, Strategy,
};

use crate::{
    buildable::unbuildable,
    cluster_args::parse,
    compat_report::CompatReport,
    exit::Exit,
    failure::Failure,
    out::{BAD, BOLD, GOOD, NOTABLE, Out},
};

/// Check a configuration file: every problem at once, and what the file means
///
/// Reads FILE as a service would, with the MYSQL_MS_* variables of the environment, and connects to nothing. Each
/// problem is one line, `FILE:LINE:COLUMN: error|warning: PATH: what is wrong; accepted: what would be right`. Then
/// follow the sections, and for each `compat` mode in force what it means for this file.
///
/// Exits with 0 when the file can be used, with 3 when it or one of its sections cannot.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The configuration file
    #[arg(value_name = "FILE", env = "MYSQL_MS_CONFIG_FILE")]
    file: PathBuf,

    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,

    /// A filter that the program brings along (Builder::filter in ms-pool); may be given several times
    ///
    /// What such a filter does and which arguments it takes only the program knows. An unknown name that is not given here is
    /// taken for one as well, with a warning, unless it looks like a misspelling.
    #[arg(long, value_name = "NAME")]
    own_filter: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  ms check ms.json
  ms check --strict ms.json                 in continuous integration: misspelt keys are errors
  ms check --own-filter zone_aware ms.json  the file's chain has a filter of the program's own
  MYSQL_MS_COMPAT=classic ms check ms.json  what the file would mean to the original plugin";

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let (settings, mut diagnostics) = Settings::from_vars(|name| std::env::var(name).ok());
    // With a broken environment nothing can be built, which is said once.
    let environment_is_good = !diagnostics.iter().any(Diagnostic::is_error);
    let own: Vec<_> = args.own_filter.iter().map(String::as_str).collect();
    let Parsed { config, diagnostics: of_file } = parse(&args.file, &settings, OwnFilters::Guessed(&own))?;
    diagnostics.extend(of_file);

    let unbuildable = if environment_is_good { unbuildable(&args.file, &config) } else { Vec::new() };

    for diagnostic in &diagnostics {
        print_problem(out, &diagnostic.to_string(), diagnostic.severity)?;
    }
    for it in &unbuildable {
        let line = format!("{}:{}: error: {}: {}", config.file(), it.section.position, it.section.name, it.why);
        print_problem(out, &line, Severity::Error)?;
    }
    if !diagnostics.is_empty() || !unbuildable.is_empty() {
        writeln!(out)?;
    }
    print_sections(out, &config)?;
    print_compat(out, &config, &settings)?;

    let fatal = |it: &&Diagnostic| it.is_error() || args.strict;
    let fatal = diagnostics.iter().filter(fatal).count();
    let errors = fatal + unbuildable.len();
    print_summary(out, &args.file, &config, errors, diagnostics.len() - fatal)?;
    Ok(if errors == 0 { Exit::Ok } else { Exit::Configuration })
}

fn print_problem(out: &mut Out, line: &str, severity: Severity) -> Result<(), Failure> {
    let (label, style) = match severity {
        Severity::Error => (": error: ", BAD.bold()),
        Severity::Warning => (": warning: ", NOTABLE.bold()),
    };
    match line.split_once(label) {
        Some((place, rest)) => writeln!(out, "{place}{style}{label}{style:#}{rest}")?,
        None => writeln!(out, "{line}")?,
    }
    Ok(())
}

fn print_sections(out: &mut Out, config: &Config) -> Result<(), Failure> {
    for name in config.names() {
        match config.section(name) {
            Ok(section) => writeln!(out, "{BOLD}{name}{BOLD:#}: {}", summary(section))?,
            Err(_) => writeln!(out, "{BOLD}{name}{BOLD:#}: {BAD}cannot be used{BAD:#}, see above")?,
        }
    }
    Ok(())
}

/// Many sections mostly say the same about `compat`; it is told once, with all their names.
fn print_compat(out: &mut Out, config: &Config, settings: &Settings) -> Result<(), Failure> {
    let mut groups: Vec<(CompatReport, Vec<&str>)> = Vec::new();
    for section in config.sections() {
        let report = CompatReport::of(section, settings);
        match groups.iter_mut().find(|(known, _)| *known == report) {
            Some((_, names)) => names.push(&section.name),
            None => groups.push((report, vec![&section.name])),
        }
    }
    for (report, names) in groups {
        let shown: Vec<_> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
        let more = names.len().saturating_sub(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(out)?;
        writeln!(
            out,
            "compat {BOLD}{}{BOLD:#} ({}) in {}{more}",
            report.compat.as_str(),
            report.source,
            shown.join(", ")
        )?;
        for point in &report.points {
            writeln!(out, "  - {point}")?;
        }
    }
    Ok(())
}

fn print_summary(out: &mut Out, file: &Path, config: &Config, errors: usize, warnings: usize) -> Result<(), Failure> {
    let sections = plural(config.names().len(), "section", "sections");
    let style = if errors > 0 { BAD } else { GOOD };
    writeln!(out)?;
    writeln!(
        out,
        "{}: {sections}, {style}{}{style:#}, {}",
        file.display(),
        plural(errors, "error", "errors"),
        plural(warnings, "warning", "warnings")
    )?;
    Ok(())
}

/// The section in one line.
fn summary(section: &Section) -> String {
    let mut text = format!(
        "{}, {}",
        plural(section.primaries.len(), "primary", "primaries"),
        plural(section.replicas.len(), "replica", "replicas")
    );
    if !section.unused_primaries.is_empty() {
        let names: Vec<_> = section.unused_primaries.iter().map(|it: &Server| format!("`{}`", it.name)).collect();
        text.push_str(&format!(" (multi_master is off: {} not used)", names.join(", ")));
    }
    let filters: Vec<_> = section.filters.iter().map(filter).collect();
    text.push_str(&format!("; {}", filters.join(" -> ")));
    text.push_str(match section.failover.strategy {
        Strategy::Disabled => "; no failover",
        Strategy::Primary => "; failover to the primary",
        Strategy::LoopBeforePrimary => "; failover to other replicas, then the primary",
    });
    if section.failover.strategy == Strategy::LoopBeforePrimary {
        match section.failover.max_retries {
            Retries::Limit(limit) => text.push_str(&format!(" (max_retries {limit})")),
            Retries::Unlimited => text.push_str(" (all of them)"),
        }
    }
    if section.switches.disable_rw_split {
        text.push_str("; splitting is off");
    }
    if section.switches.mode != Mode::Auto {
        text.push_str(&format!("; mode {}", section.switches.mode.as_str()));
    }
    text
}

fn filter(filter: &Filter) -> String {
    let details = match filter {
        Filter::Random { sticky, weights } => {
            [sticky.then_some("sticky"), weights.as_ref().map(|_| "weighted")].into_iter().flatten().collect()
        }
        Filter::RoundRobin { weights: Some(_) } => vec!["weighted"],
        _ => Vec::new(),
    };
    if details.is_empty() { filter.name().to_owned() } else { format!("{} ({})", filter.name(), details.join(", ")) }
}

pub(crate) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
