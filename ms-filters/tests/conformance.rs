//! Scenarios of the original, told without servers.
//!
//! The expectations were checked on the running original; `conformance/` holds them in full, under the same names. Here
//! they are what routing alone can show: which server each statement goes to, who is tried, what is counted. The same
//! scenarios run against real servers elsewhere; these take milliseconds and say at once which rule broke.

mod sim;

use ms_filters::Split;
use sim::Sim;

#[test]
fn load_balancing() {
    scenario(
        "random spreads reads evenly",
        "master1 | slave1 slave2 slave3 : random : disabled",
        "
            W => master1
            300x R => about slave1 1, slave2 1, slave3 1
        ",
    );
    scenario(
        "random once with boolean true",
        "master1 | slave1 slave2 : sticky : disabled",
        "
            60x R => same
        ",
    );
    scenario(
        "default load balancing is random once",
        "master1 | slave1 slave2 slave3 : sticky : disabled",
        "
            60x R => same
        ",
    );
    scenario(
        "random listed without arguments is not sticky",
        "master1 | slave1 slave2 : random : disabled",
        "
            200x R => about slave1 1, slave2 1
        ",
    );
    scenario(
        "sticky empty string is true",
        "master1 | slave1 slave2 : sticky : disabled",
        "
            60x R => same
        ",
    );
    scenario(
        "roundrobin starts with the first slave and wraps around",
        "master1 | slave1 slave2 : roundrobin : disabled",
        "
            W => master1
            ms=slave W => slave1
            ms=slave W => slave2
            R => slave1
            R => slave2
            2x ms=master R => master1
            R => slave1
        ",
    );
    scenario(
        "random with weights",
        "master1*3 | slave1*8 slave2*4 slave3*1! : random : loop 0",
        "
            300x R => about slave1 8, slave2 4
        ",
    );
    scenario(
        "random with weights over masters",
        "s1*8 s2*4 s3*1! | m1*3 : random : loop 0 : no_split",
        "
            300x R => about s1 8, s2 4
        ",
    );
    scenario(
        "weights with sticky choose once",
        "master1*2 master2*1 | slave1*2 slave2*1 : sticky : disabled",
        "
            40x R => same
            40x W => same
        ",
    );
    scenario(
        "roundrobin with weights gives each server its share",
        "master1*3 | slave1*1 slave2*4 : roundrobin : disabled",
        "
            3x R => slave2
            2x R => exactly slave1 1, slave2 1
            W => master1
            5x R => exactly slave1 1, slave2 4
            50x R => exactly slave1 10, slave2 40
        ",
    );
    scenario(
        "roundrobin with weights: first five picks",
        "master1*3 | slave1*1 slave2*4 : roundrobin : disabled",
        "
            R => slave2
            2x R => master1 / slave1 / slave2
            2x R => exactly slave1 1, slave2 1
        ",
    );
    scenario(
        "roundrobin with weights over masters",
        "m1*1 m2*4 | s1*3 : roundrobin : disabled : no_split",
        "
            3x R => m2
            2x R => exactly m1 1, m2 1
        ",
    );
}

#[test]
fn read_write_splitting() {
    scenario(
        "reads go to the slave and writes to the master",
        "master1 | slave1 : roundrobin : disabled",
        "
            W => master1
            R => slave1
            2x W => master1
            stats use_master 3, use_slave 1, use_master_guess 3, use_slave_guess 1
        ",
    );
    scenario(
        "user variables belong to one server",
        "master1 | slave1 : roundrobin : disabled",
        "
            W => master1
            R => slave1
            ms=last_used R => slave1
            ms=master R => master1
            ms=last_used R => master1
        ",
    );
    scenario(
        "last_used hint before any statement fails (random)",
        "master1 | slave1 : random : disabled",
        "
            ms=last_used R => no_last_used / no_replica / no_primary / none_usable
        ",
    );
    scenario(
        "last_used hint before any statement fails (random once)",
        "master1 | slave1 : sticky : disabled",
        "
            ms=last_used R => no_last_used / no_replica / no_primary / none_usable
        ",
    );
    scenario(
        "last_used hint before any statement fails (roundrobin)",
        "master1 | slave1 : roundrobin : disabled",
        "
            ms=last_used R => no_last_used / no_replica / no_primary / none_usable
        ",
    );
    scenario(
        "master_on_write with roundrobin",
        "master1 | slave1 slave2 : roundrobin : disabled : master_on_write",
        "
            ms=slave R => slave1
            ms=slave R => slave2
            R => slave1
            W => master1
            R => master1
            stats use_slave 3, use_master 2, use_slave_guess 2, use_master_guess 1, use_slave_sql_hint 2, lazy_connections_slave_success 2, lazy_connections_master_success 1
            ms=slave R => slave2
            R => master1
            ms=slave R => slave1
            ms=last_used R => slave1
            R => master1
            ms=slave R => slave2
            ms=master R => master1
            ms=last_used R => master1
        ",
    );
    scenario(
        "master_on_write with random",
        "master1 | slave1 slave2 : random : disabled : master_on_write",
        "
            R => slave1 / slave2
            W => master1
            R => master1
            ms=slave R => slave1 / slave2
            R => master1
            ms=slave R => slave1 / slave2
            R => master1
            ms=slave R => slave1 / slave2
            R => master1
            ms=slave R => slave1 / slave2
            R => master1
            ms=slave R => slave1 / slave2
            R => master1
            ms=slave R => slave1 / slave2
            R => master1
            ms=slave R => slave1 / slave2
            R => master1
            ms=slave R => slave1 / slave2
            R => master1
            ms=slave R => slave1 / slave2
            R => master1
            ms=slave R => slave1 / slave2
        ",
    );
    scenario(
        "a master hint counts as write for master_on_write",
        "master1 | slave1 : roundrobin : disabled : master_on_write",
        "
            R => slave1
            ms=master R => master1
            R => master1
        ",
    );
    scenario(
        "read-write splitting disabled with a dead master in the list",
        "master1 master2! master3 | : roundrobin : disabled : no_split",
        "
            W => master1
            W => connect
            W => master3
            ms=master R => master1
            ms=master R => connect
            R => master3
            W => master1
            W => connect
            ms=slave R => master3
            ms=last_used R => master3
            W => master1
        ",
    );
    scenario(
        "read without any slave fails",
        "master1 | : roundrobin : disabled",
        "
            W => master1
            R => no_last_used / no_replica / no_primary / none_usable
            ms=master R => master1
        ",
    );
    scenario(
        "read without any slave uses the master when failover is on",
        "master1 master2 | : roundrobin : master",
        "
            ms=master W => master1
            ms=master W => master2
            R => master1
            R => master2
        ",
    );
    scenario(
        "no slaves, random once, failover to one sticky master",
        "master1 master2 | : sticky : master",
        "
            W => master1 / master2
            20x W => master1 / master2
            20x R => master1 / master2
        ",
    );
    scenario(
        "no slaves, roundrobin with failover walks over the masters",
        "master1 master2 | : roundrobin : master",
        "
            W => master1
            W => master2
            R => master1
            R => master2
        ",
    );
    scenario(
        "without multi_master only the first master exists",
        "master1 | slave1 : sticky : disabled",
        "
            6x ms=master R => master1
            W => master1
        ",
    );
    scenario(
        "multi_master with roundrobin alternates",
        "master1 master2 | slave1 : roundrobin : disabled",
        "
            ms=master W => master1
            ms=master W => master2
            ms=master R => master1
            ms=master R => master2
            R => slave1
            ms=master R => master1
            ms=last_used R => master1
            ms=master R => master2
        ",
    );
}

#[test]
fn failover_disabled() {
    scenario(
        "dead slave with random",
        "master1 | slave1! : random : disabled",
        "
            W => master1
            R => connect
            stats lazy_connections_slave_failure 1, lazy_connections_master_success 1
            R => connect
            stats lazy_connections_slave_failure 2
            ms=master R => master1
        ",
    );
    scenario(
        "dead slave with random once",
        "master1 | slave1! : sticky : disabled",
        "
            W => master1
            2x R => connect
            stats lazy_connections_slave_failure 2, use_slave 0
            ms=master R => master1
        ",
    );
    scenario(
        "dead first slave with roundrobin",
        "master1 | slave1! slave2 : roundrobin : disabled",
        "
            R => connect
            R => slave2
            R => connect
            R => slave2
            stats lazy_connections_slave_failure 2, use_slave 2
        ",
    );
    scenario(
        "a failing statement does not fall back to the master",
        "master1 | slave1! : roundrobin : disabled",
        "
            3x R => connect
            stats use_master 0
        ",
    );
    scenario(
        "dead master",
        "master1! | slave1 : sticky : disabled",
        "
            W => connect
            stats lazy_connections_master_failure 1, use_master 0
            R => slave1
            W => connect
            stats lazy_connections_master_failure 2, use_slave 1
        ",
    );
    scenario(
        "dead master and roundrobin",
        "master1! | slave1 : roundrobin : disabled",
        "
            W => connect
            R => slave1
            ms=master R => connect
        ",
    );
    scenario(
        "dead second master with multi_master roundrobin",
        "master1 master2! | slave1 : roundrobin : disabled",
        "
            W => master1
            W => connect
            W => master1
        ",
    );
    scenario(
        "the error belongs to the handle until the next statement",
        "master1 | slave1! slave2 : roundrobin : disabled",
        "
            R => connect
            W => master1
            R => slave2
        ",
    );
    scenario(
        "unknown slave in the middle",
        "master1 | slave1 slave2! slave3 : roundrobin : disabled",
        "
            W => master1
            R => slave1
            R => connect
            R => slave3
            R => slave1
            R => connect
            R => slave3
        ",
    );
}

#[test]
fn failover_loop() {
    scenario(
        "the next slave is tried first (roundrobin)",
        "master1 | slave1! slave2 : roundrobin : loop",
        "
            R => slave2
            stats lazy_connections_slave_failure 1
            R => slave2
            stats lazy_connections_slave_failure 2, use_slave 2, use_master 0
        ",
    );
    scenario(
        "the next slave is tried first (random)",
        "master1 | slave1! slave2 : random : loop",
        "
            30x R => slave2
            stats use_slave 30, use_master 0
        ",
    );
    scenario(
        "sticky choice after a failure (random once)",
        "master1 | slave1! slave2 : sticky : loop",
        "
            10x R => slave2
        ",
    );
    scenario(
        "all slaves dead, no retry limit",
        "master1 | slave1! slave2! slave3! : roundrobin : loop 0",
        "
            R => master1
            stats lazy_connections_slave_failure 3, use_master 1
        ",
    );
    scenario(
        "the default for max_retries is one",
        "master1 | slave1! slave2! slave3! : roundrobin : loop",
        "
            R => master1
            stats lazy_connections_slave_failure 2, use_master 1
        ",
    );
    scenario(
        "the default for max_retries is one (random)",
        "master1 | slave1! slave2! slave3! : random : loop",
        "
            R => master1
            stats lazy_connections_slave_failure 2, use_master 1
        ",
    );
    scenario(
        "max_retries 2 tries three slaves",
        "master1 | slave1! slave2! slave3! slave4! : random : loop 2",
        "
            R => master1
            stats lazy_connections_slave_failure 3
        ",
    );
    scenario(
        "two dead slaves and one alive with the default limit",
        "master1 | slave1! slave2! slave3 : roundrobin : loop",
        "
            R => master1
            R => slave3
            stats lazy_connections_slave_failure 2
        ",
    );
    scenario(
        "dead master and dead slaves",
        "master1! | slave1! slave2! : random : loop 0",
        "
            R => connect
            stats lazy_connections_slave_failure 2, lazy_connections_master_failure 1
        ",
    );
    scenario(
        "no slaves and two dead masters (random)",
        "master1 master2! master3! | : random : loop 0",
        "
            8x R => master1
            stats use_slave 0
        ",
    );
    scenario(
        "no slaves and two dead masters (random once)",
        "master1 master2! master3! | : sticky : loop 0",
        "
            8x R => master1
            stats use_slave 0
        ",
    );
    scenario(
        "no slaves and two dead masters (roundrobin)",
        "master1 master2! master3! | : roundrobin : loop 0",
        "
            8x R => master1
            stats use_slave 0
        ",
    );
    scenario(
        "writes fail over to the next master",
        "master1! master2 | slave1! slave2! : random : loop",
        "
            20x W => master2
        ",
    );
    scenario(
        "reads reach the second master after slaves and first master failed",
        "master1! master2 | slave1! slave2! : random : loop",
        "
            20x R => master2
        ",
    );
    scenario(
        "random once, writes stay on the working master",
        "master1! master2 | : sticky : loop",
        "
            10x W => master2
        ",
    );
    scenario(
        "retry limit for masters with roundrobin",
        "master1! master2! master3 | : roundrobin : loop 1 : no_split",
        "
            R => connect
            R => master3
            R => connect
            R => master3
        ",
    );
    scenario(
        "retry limits apply to slaves and masters separately (random)",
        "master1! master2 | slave1! slave2! : random : loop 1",
        "
            10x R => master2
            stats lazy_connections_slave_failure 20, lazy_connections_master_success 1
        ",
    );
    scenario(
        "dead slaves, dead and living master, no limit (random)",
        "master1! master2 | slave1! slave2! : random : loop 0",
        "
            10x R => master2
            stats lazy_connections_slave_failure 20
        ",
    );
    scenario(
        "three dead masters beside a living one, no slaves",
        "master1 master2! master3! master4! | : roundrobin : loop 0",
        "
            8x R => master1
        ",
    );
    scenario(
        "sticky choice with a retry limit",
        "master1! master2 | slave1! slave2 : sticky : loop 1",
        "
            10x R => slave2
        ",
    );
}

#[test]
fn failover_master() {
    scenario(
        "dead slave, master takes over",
        "master1 | slave1! : random : master",
        "
            W => master1
            R => master1
            stats lazy_connections_slave_failure 1, use_master 2, use_slave 0
            R => master1
        ",
    );
    scenario(
        "dead slave, roundrobin",
        "master1 | slave1! : roundrobin : master",
        "
            2x R => master1
            stats lazy_connections_slave_failure 2, lazy_connections_master_success 1
        ",
    );
    scenario(
        "strategy master does not try a second slave",
        "master1 | slave1! slave2! slave3 : roundrobin : master",
        "
            2x R => master1
            R => slave3
            stats lazy_connections_slave_failure 2
        ",
    );
    scenario(
        "writes never fail over with strategy master",
        "master1! master2 | slave1 : roundrobin : master",
        "
            W => connect
            W => master2
            W => connect
        ",
    );
}

#[test]
fn failover_remember() {
    scenario(
        "failed slaves are not tried again",
        "master1 | slave1! slave2! : random : loop 0 remember",
        "
            10x ms=slave R => master1
            stats lazy_connections_slave_failure 2
        ",
    );
    scenario(
        "failed slaves are not tried again (roundrobin)",
        "master1 | slave1! slave2 : roundrobin : loop 0 remember",
        "
            10x R => slave2
            stats lazy_connections_slave_failure 1, use_slave 10
        ",
    );
    scenario(
        "failed masters are remembered",
        "master1! master2 | slave1 : roundrobin : loop 0 remember",
        "
            W => master2
            stats lazy_connections_master_failure 1
            6x W => master2
            stats lazy_connections_master_failure 1
        ",
    );
    scenario(
        "without strategy and one dead slave",
        "master1 | slave1! : random : disabled remember",
        "
            R => connect
            R => no_last_used / no_replica / no_primary / none_usable
            stats lazy_connections_slave_failure 1
        ",
    );
    scenario(
        "failed slaves are not tried again (random once)",
        "master1 | slave1! slave2! : sticky : loop 0 remember",
        "
            10x ms=slave R => master1
            stats lazy_connections_slave_failure 2
        ",
    );
    scenario(
        "failed master is not tried again when only masters are used",
        "master1! master2 | slave1! slave2! : random : loop 0 remember : no_split",
        "
            10x R => master2
        ",
    );
}

/// `SERVERS : FILTER : FAILOVER : SETTINGS`, and the story.
#[track_caller]
fn scenario(name: &str, setup: &str, story: &str) {
    let mut parts = setup.split(':').map(str::trim);
    let mut part = || parts.next().unwrap_or_default();
    let mut sim = Sim::new(part(), part()).failover(part());
    let settings = part();
    sim.settings.primary_on_write = settings.contains("master_on_write");
    if settings.contains("no_split") {
        sim.settings.split = Split::Disabled;
    }
    sim.tell(name, story);
}
