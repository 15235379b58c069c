//! Starting servers that do not outlive us.
//!
//! Three cords hold a server. The handle kills it when it is dropped, also while unwinding. It is in a process group of its own, so
//! a Ctrl-C at the terminal reaches us and not it, and it is stopped in order. And should this process be killed with no
//! chance to act, the kernel kills the server: `setpriv --pdeathsig`, of util-linux, asks for that and then becomes the server.
//!
//! That last signal is sent when the *thread* that started the server ends. Threads of a runtime come and go, so one thread,
//! which ends with the process, starts them all.

use std::{
    env,
    ffi::OsString,
    io,
    path::Path,
    process::Stdio,
    sync::{
        OnceLock,
        mpsc::{self, Sender},
    },
    thread,
};

use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
};

use crate::provision::without_foreign_libraries;

/// What becomes of a server when this process is killed; while it lives, dropping the handle kills the server in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// It ends too.
    Ours,
    /// It goes on.
    ItsOwn,
}

/// A server to be started.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) argv: Vec<OsString>,
    pub(super) output: std::fs::File,
    pub(super) lifetime: Lifetime,
}

impl Start {
    /// Starts it.
    pub(super) async fn spawn(self) -> io::Result<Child> {
        let (reply, child) = oneshot::channel();
        let job = Job { start: self, runtime: Handle::current(), reply };
        starter().send(job).map_err(|_| io::Error::other("the thread that starts servers has ended"))?;
        child.await.map_err(|_| io::Error::other("the thread that starts servers has ended"))?
    }

    fn into_command(self) -> io::Result<Command> {
        let mut words: Vec<OsString> = Vec::new();
        if self.lifetime == Lifetime::Ours && has_setpriv() {
            words.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from));
        }
        words.extend(self.argv);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(self.output.try_clone()?).stderr(self.output);
        without_foreign_libraries(&mut command);
        Ok(command)
    }
}

struct Job {
    start: Start,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

fn starter() -> &'static Sender<Job> {
    static STARTER: OnceLock<Sender<Job>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (jobs, inbox) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for job in inbox {
                // The child registers with the runtime that will wait for it.
                let _entered = job.runtime.enter();
                let child = job.start.into_command().and_then(|mut it| it.spawn());
                // A caller that went away drops the child here, which kills it.
                let _ = job.reply.send(child);
            }
        });
        jobs
    })
}

/// It is part of every Debian and Ubuntu; elsewhere servers outlive a killed `xtask`, and everything else still holds.
fn has_setpriv() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|it| Path::new(&it).join("setpriv").is_file())
}
