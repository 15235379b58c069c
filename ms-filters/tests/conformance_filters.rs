//! Scenarios of the original for filters that narrow and for callbacks, told without servers.
//!
//! As in `conformance.rs`: the expectations were checked on the running original, names are those of `conformance/`. The
//! last test holds the generated ones, whose statements are kept as they are.

mod sim;

use ms_filters::{Split, Stickiness};
use sim::{Sim, script::chain};

const TWO_AND_TWO: &str = "master1 master2 | slave1 slave2";

#[test]
fn node_groups() {
    scenario(
        "group names must match exactly",
        &format!("{TWO_AND_TWO} : groups A=1|0; B=0 1|1; C=0|0 1, roundrobin : disabled"),
        "",
        "
            /*A*/SELECT 1 => slave1
            /* B */SELECT 1 => slave1
            /*b*/SELECT 1 => slave2
            /*B*/SELECT 1 => slave2
        ",
    );
    scenario(
        "group without slaves and a read",
        "master1 | slave1 : groups A=0|, random : disabled",
        "",
        "
            /*ms=master*/SELECT 1 => master1
            SELECT 1 => slave1
            /*ms=slave*//*A*/SELECT 1 => no_connection
            /*A*/SELECT 1 => no_connection
            warns 0 slaves to choose from
            /*A*/SET @a=1 => master1
        ",
    );
    scenario(
        "group without slaves and failover to the master",
        "master1 | slave1 : groups A=0|, random : master",
        "",
        "
            /*A*/SELECT 1 => master1
            SELECT 1 => slave1
        ",
    );
    scenario(
        "random once remembers one slave per candidate list",
        "master1 | slave1 slave2 slave3 : groups A=0|0 1; B=0|2, sticky : disabled",
        "",
        "
            5x SELECT 1 => $all
            /*A*/SELECT 1 => slave1 / slave2
            5x /*A*/SELECT 1 => $a
            5x /*B*/SELECT 1 => slave3
            5x SELECT 1 => $all
            5x /*A*/SELECT 1 => $a
            5x /*B*/SELECT 1 => slave3
        ",
    );
}

#[test]
fn levels_of_service() {
    scenario(
        "strong consistency sends everything to the master",
        "master1 | slave1 slave2 : strong, roundrobin : disabled",
        "",
        "
            SELECT 1 => master1
            /*ms=slave*/SELECT 1 => master1
            SET @a=1 => master1
            /*ms=last_used*/SELECT 1 => master1
            stats use_slave 0
        ",
    );
    scenario(
        "strong consistency with several masters (roundrobin)",
        &format!("{TWO_AND_TWO} : strong, roundrobin : disabled"),
        "",
        "
            SELECT 1 => master1
            SELECT 1 => master2
            SET @a=1 => master1
            /*ms=slave*/SELECT 1 => master2
        ",
    );
    scenario(
        "strong consistency with several masters (random)",
        &format!("{TWO_AND_TWO} : strong, random : disabled"),
        "",
        "
            200x SELECT 1 => about master1 1, master2 1
        ",
    );
    scenario(
        "session consistency with several masters",
        &format!("{TWO_AND_TWO} : session, roundrobin : disabled"),
        "",
        "
            SET @r='1' => master1
            SET @r='2' => master2
            SELECT @r => master1
            SELECT @r => master2
        ",
    );
    scenario(
        "session consistency without slaves",
        "master1 | : session, roundrobin : disabled",
        "",
        "
            SET @a=1 => master1
            SELECT 1 => master1
        ",
    );
    scenario(
        "eventual consistency behaves like no filter",
        "master1 | slave1 slave2 : eventual, roundrobin : disabled",
        "",
        "
            SET @a=1 => master1
            SELECT 1 => slave1
            SELECT 1 => slave2
            /*ms=slave*/SET @a=1 => slave1
            /*ms=master*/SELECT 1 => master1
        ",
    );
    scenario(
        "eventual consistency and disabled read-write splitting",
        "master1 | slave1 slave2 : eventual, roundrobin : disabled : no_split",
        "",
        "
            SELECT 1 => master1
            /*ms=slave*/SELECT 1 => master1
            SET @a=1 => master1
        ",
    );
    scenario(
        "levels change at run time",
        "master1 | slave1 : roundrobin : disabled",
        "",
        "
            SELECT 1 => slave1
            level strong
            SELECT 1 => master1
            level session
            SELECT 1 => master1
            level eventual
            SELECT 1 => slave1
            SET @a=1 => master1
        ",
    );
    scenario(
        "the run-time level replaces the configured one",
        "master1 | slave1 slave2 : strong, roundrobin : disabled",
        "",
        "
            SELECT 1 => master1
            level eventual
            SELECT 1 => slave1
            SELECT 1 => slave2
            level strong
            SELECT 1 => master1
        ",
    );
    scenario(
        "transaction stickiness over eventual consistency",
        "master1 | slave1 slave2 : eventual, roundrobin : disabled : trx_master",
        "",
        "
            SELECT 1 => slave1
            tx begun
            SELECT 1 => master1
            tx pinned master1
            SELECT 1 => master1
            tx none
            SELECT 1 => slave2
        ",
    );
    scenario(
        "read only transaction under eventual consistency uses a slave",
        "master1 | slave1 slave2 : eventual, roundrobin : disabled : trx_on",
        "",
        "
            tx read_only
            SELECT 1 => slave1
            tx pinned slave1
            SET @a=1 => slave1
            tx none
            SET @a=1 => master1
            SELECT 1 => slave2
        ",
    );
    scenario(
        "read only transaction under session consistency uses the master",
        "master1 | slave1 slave2 : session, roundrobin : disabled : trx_on",
        "",
        "
            tx read_only
            SELECT 1 => master1
            tx pinned master1
            SET @a=1 => master1
            tx none
            SELECT 1 => master1
        ",
    );
    scenario(
        "eventual consistency with transactions (random)",
        "master1 | slave1 : eventual, random : disabled : trx_master",
        "",
        "
            SELECT 2 => slave1
            tx begun
            SET @a=1 => master1
            tx pinned master1
            SELECT 6 => master1
            tx none
            SELECT 9 => slave1
            SET @a=2 => master1
        ",
    );
}

#[test]
fn user() {
    scenario(
        "the callback can send writes to a slave",
        "master1 | slave1 : user : disabled",
        "s0",
        "
            SET @a=1 => slave1
            SELECT @a => slave1
        ",
    );
    scenario(
        "the callback may ignore hints",
        "master1 | slave1 : user : disabled",
        "m0",
        "
            /*ms=slave*/SELECT 1 => master1
            SELECT 1 => master1
        ",
    );
    scenario(
        "callback returns null",
        "master1 | slave1 : user : disabled",
        "nothing, m0",
        "
            /*ms=master*/SELECT 1 => no_connection
            warns User filter callback has not returned string with server to use. The callback must return a string
            /*ms=master*/SELECT 1 => master1
        ",
    );
    scenario(
        "callback returns an unknown server",
        "master1 | slave1 : user : disabled",
        "uri:no such server, m0",
        "
            /*ms=master*/SELECT 1 => no_connection
            warns User filter callback has returned an unknown server. The server 'no such server' can neither be found in the master list nor in the slave list
            /*ms=master*/SELECT 1 => master1
        ",
    );
    scenario(
        "callback does not exist",
        "master1 | slave1 : user nobody : disabled",
        "",
        "
            SELECT 1 => no_connection
            warns Specified callback (nosuch) is not a valid callback
        ",
    );
    scenario(
        "chosen master is dead",
        "master1! | slave1 : user : disabled",
        "m0/s0/last",
        "
            SET @a=1 => connect
            SELECT 1 => slave1
            stats lazy_connections_master_failure 1
        ",
    );
}

#[test]
fn user_multi() {
    scenario(
        "the callback returns positions",
        "master1 | slave1 : user_multi, random : disabled",
        "0|0",
        "
            SELECT 1 => slave1
            SET @a=1 => master1
        ",
    );
    scenario(
        "positions are sorted",
        "master1 master2 | slave1 : user_multi, roundrobin : disabled",
        "1 0|0",
        "
            /*ms=master*/SELECT 1 => master1
            /*ms=master*/SELECT 1 => master2
            /*ms=master*/SELECT 1 => master1
        ",
    );
    scenario(
        "a position given twice counts twice",
        "master1 | slave1 slave2 : user_multi, roundrobin : disabled",
        "0|0 0 1",
        "
            SELECT 1 => slave1
            SELECT 1 => slave1
            SELECT 1 => slave2
            SELECT 1 => slave1
            SET @a=1 => master1
        ",
    );
    scenario(
        "callback returns nothing",
        "master1 | slave1 : user_multi, random : disabled",
        "nothing",
        "
            SELECT 1 => no_master
            warns User multi filter callback has not returned a list of servers to use. The callback must return an array
        ",
    );
    scenario(
        "position out of range in the other list",
        "master1 | slave1 : user_multi, random : disabled",
        "3|0",
        "
            SELECT 1 => slave1
            warns User multi filter callback has returned an invalid list of servers to use. Server id is too big
        ",
    );
    scenario(
        "negative position",
        "master1 | slave1 : user_multi, random : disabled",
        "0|-1",
        "
            SELECT 1 => no_connection
            warns Server id is either negative or not a number
        ",
    );
    for balancer in ["random", "sticky", "roundrobin"] {
        scenario(
            "empty master list and a master statement",
            &format!("master1 | slave1 : user_multi, {balancer} : disabled"),
            "|0",
            "
                /*ms=master*/SELECT 1 => no_connection
                warns Couldn't find the appropriate master connection. 0 masters to choose from. Something is wrong
            ",
        );
    }
    scenario(
        "empty slave list and a read (random once)",
        "master1 | slave1 : user_multi, sticky : disabled",
        "0|",
        "
            SELECT 1 => no_connection
            warns Couldn't find the appropriate slave connection. 0 slaves to choose from. Something is wrong
        ",
    );
    scenario(
        "transaction flag and stickiness",
        "master1 | slave1 : user_multi, roundrobin : disabled : trx_master",
        "0|0",
        "
            SELECT 2 => slave1
            tx begun
            SELECT 4 => master1
            SELECT 7 => master1
            tx none
            2x SELECT 9 => slave1
        ",
    );
    scenario(
        "roundrobin keeps a position per candidate list",
        "master1 | slave1 slave2 : user_multi, roundrobin : disabled",
        "0|0 1, 0|1, 0|0 1, 0|0 1",
        "
            SELECT 1 => slave1
            SELECT 1 => slave2
            SELECT 1 => slave2
            SELECT 1 => slave1
        ",
    );
    scenario(
        "strong consistency before a user filter",
        "master1 | slave1 : strong, user : disabled",
        "m0",
        "
            SELECT 1 => master1
        ",
    );
    scenario(
        "slave list is not a list",
        "master1 | slave1 : user_multi, random : disabled",
        "malformed",
        "
            SELECT 1 => no_master
            warns invalid list of servers to use. The callback must return an array
        ",
    );
    scenario(
        "random once keeps a choice per candidate list",
        "master1 | slave1 slave2 : user_multi, sticky : disabled",
        "0|0, 0|1, 0|0 1, 0|0, 0|0 1",
        "
            SELECT 1 => slave1
            SELECT 1 => slave2
            SELECT 1 => $both
            SELECT 1 => slave1
            SELECT 1 => $both
        ",
    );
}

#[test]
fn generated() {
    scenario(
        "random s1-4: user_multi filter rr",
        "src1 src2 src3 | rep1 : user_multi, roundrobin : disabled",
        "1 0|0, 1|0, 1|0",
        r#"
            SELECT COUNT(*) FROM test => rep1
            /*12*/SELECT MAX(id) FROM test => rep1
            SET @r='101' => src2
            /*ms=slave*/ SELECT '102' => rep1
            /*MS=MASTER*/SeLeCt 103 => src2
            DO 104 => src2
            set @a:=105 => src2
            /* MS=LAST_USED */ SELECT 106 UNION SELECT 106 => src2
            SHOW WARNINGS => src2
            nonsense statement => src2
            SELECT(107) => rep1
            select 108 => rep1
            stats use_slave 5, use_master 6, use_slave_guess 4, use_master_guess 5
            stats use_slave_sql_hint 1, use_master_sql_hint 1, use_last_used_sql_hint 1, lazy_connections_slave_success 1, lazy_connections_master_success 1
        "#,
    );
    scenario(
        "random s1-15: user_multi filter sticky",
        "m1 m2 | s1 s2 s3 s4 : user_multi, sticky : disabled",
        "0|1 2, 0 1|3, 0 1|0 1 3, all, 1|0 3, ...",
        r#"
            /*ms*/(SELECT 5) => m1 / m2
            SET @r='101' => m1 / m2
            /*ms=last_used*/ select 102 => m1 / m2
            /* x */INSERT INTO test(id) VALUES (103) => m1 / m2
            /*ms=slavemaster*/ SELECT '104' => s1 / s2 / s3 / s4
            /*ms*/select 105 => s1 / s2 / s3 / s4
            SELECT 106 => s1 / s2 / s3 / s4
            nonsense statement => m1 / m2
            /* MS=LAST_usED*/SELECT 107 /*ms=master*/ => m1 / m2
            stats use_slave 3, use_master 4, use_slave_guess 3, use_master_guess 4, use_last_used_sql_hint 2
        "#,
    );
    scenario(
        "random s1-23: user filter",
        "m1 | s1 s2 : user : disabled",
        "s0, m0, m0, s1, m0, s1, ...",
        r#"
            SHOW WARNINGS => s1
            /* ms=master*/SELECT 101 => m1
            /*ms =master*/ REPLACE INTO test(id) VALUES (102) => m1
            SELECT 103 AS a => s2
            SELECT/**/104 => m1
            SELECT 105 => s2
            /*hello ms=master*/SELECT(106) => s1
            /*hello ms=master*/ SELECT 107 => m1
            SELECT COUNT(*) FROM test => m1
            /* ms=master */set @a:=108 => s2
            /*MS=LAST_USED */ SELECT 109 /*ms=master*/ => m1
            SELECT 110 FROM DUAL => s2
            INSERT INTO test(id) VALUES (111) => s1
            /*ms=masterfoobar*/SELECT DATABASE() => m1
            SeLeCt 112 => m1
            SELECT COUNT(*) FROM test => s2
            stats use_slave 0, use_master 0, use_slave_callback 8
            stats use_master_callback 8, lazy_connections_slave_success 2, lazy_connections_master_success 1
        "#,
    );
    scenario(
        "random s1-44: user filter",
        "master1 | slave1 slave2 : user : disabled",
        "s1, ...",
        r#"
            /*12*/ select 101 => slave2
            SELECT id FROM test WHERE id > 2 ORDER BY id => slave2
            /* MS=SLAVE*/ SELECT 102 AS a => slave2
            SELECT 103 AS a => slave2
            SELECT /*ms=slave*/ 104 => slave2
            SELECT /*ms=slave*/ 105 => slave2
            /*ms= slave*//*ms=master */SELECT @r => slave2
            SeLeCt 106 => slave2
            SELECT 107 AS a => slave2
            stats use_slave 0, use_master 0, use_slave_callback 9, lazy_connections_slave_success 1
        "#,
    );
    scenario(
        "random s1-45: user filter",
        "master1 master2 | slave1 slave2 : user : disabled",
        "m0/s1/last, m0/s0/m0",
        r#"
            SeLeCt 101 => slave2
            /*xms=master*/REPLACE INTO test(id) VALUES (102) => master1
            /*Ms=lAST_UseD*/ SELECT/**/103 => master1
            SELECT 104 AS a => slave1
            SELECT 105 FROM DUAL => slave1
            /* x */ SELECT 106 UNION SELECT 106 => slave1
            SELECT DATABASE() => slave1
            SELECT 107 AS a => slave1
            EXPLAIN SELECT 1 => master1
            /*ms=master */ SELECT '108' => master1
            /* ms=slave */ SELECT 109 AS a => slave1
            SELECT 110 AS a => slave1
            /* MS=MASTER*/ SELECT 111 /*ms=master*/ => master1
            /*ms =master*//*MS=SLAVE*/SELECT DATABASE() => slave1
            /* ms=slave*/set @a:=112 => slave1
            SELECT /*ms=slave*/ 113 => slave1
            SELECT DATABASE() => slave1
            /*MS=LAST_USED*/SELECT @r => master1
            /* ms=master*/SELECT 114 UNION SELECT 114 => master1
            SELECT DATABASE() => slave1
            SELECT 115 => slave1
            INSERT INTO test(id) VALUES (116), (1116) => master1
            stats use_slave 0, use_master 0, use_slave_callback 14, use_master_callback 8
        "#,
    );
    scenario(
        "random s1-46: user filter",
        "src1 src2 | rep1 : user : disabled",
        "s0, uri:no such server, ...",
        r#"
            SeLeCt 101 => rep1
            INSERT INTO test(id) VALUES (102) => no_connection
            SELECT 'FROM test', 103 => rep1
            /*ms=slave*/SELECT DATABASE() => no_connection
            SET @r='104' => rep1
            SELECT 'FROM test', 105 => no_connection
            /* MS=LAST_USED*/ INSERT INTO test(id) VALUES (106) => rep1
            SELECT /*ms=slave*/ 107 => no_connection
            ANALYZE TABLE test => rep1
            REPLACE INTO test(id) VALUES (108) => no_connection
            DO 109 => rep1
            /*ms=*/ UPDATE test SET id = id + 1000 WHERE id = 3 => no_connection
            SELECT @r => rep1
            stats use_slave 0, use_master 0, use_slave_callback 7, lazy_connections_slave_success 1
        "#,
    );
    scenario(
        "random s1-47: user filter",
        "m1 | s1 s2 : user : disabled",
        "s1, s1, s1, s1",
        r#"
            DELETE FROM test WHERE id = 3 => s2
            /* mS=maStEr*/ SELECT 'FROM test', 102 => s2
            select 103 => s2
            UPDATE test SET id = id + 1000 WHERE id = 5 => s2
            DO 105 => s2
            (SELECT 5) => s2
            SET @f=1 => s2
            INSERT INTO test(id) VALUES (106), (1106) => s2
            INSERT INTO test(id) VALUES (107) => s2
            /*Ms=lAST_uSEd*/SHOW VARIABLES LIKE 'port' => s2
            SELECT LEAST(108, 100000) => s2
            SELECT 109 AS a => s2
            /* ms=last_used*/ SELECT/**/110 => s2
            UPDATE test SET id = id + 1000 WHERE id = 3 => s2
            DO 112 => s2
            /*12*/SELECT COUNT(*) FROM test => s2
            UPDATE missing SET a=1 => s2
            DELETE FROM test WHERE id = 2 => s2
            /* ms=last_used*/SELECT id FROM test WHERE id > 2 ORDER BY id => s2
            stats use_slave 0, use_master 0, use_slave_callback 19, lazy_connections_slave_success 1
        "#,
    );
    scenario(
        "random s1-51: user_multi filter rr",
        "m1 m2 | s1 s2 : user_multi, roundrobin : disabled",
        "0|0 1, 0 1|0 1, 0 1|0 1, 0 1|0 1, ...",
        r#"
            SELECT DATABASE() => s1
            /*ms=master */ SeLeCt 101 => m1
            SELECT '102' => s2
            INSERT INTO test(id) VALUES (103), (1103) => m2
            SELECT '104' => s1
            SeLeCt 105 => s2
            SELECT @r => s1
            SELECT 106 => s2
            /*ms=slave */SELECT id FROM test WHERE id > 2 ORDER BY id => s1
            /*ms=master*/SELECT @r => m1
            SELECT MAX(id) FROM test => s2
            /* ms=last_used*/INSERT INTO test(id) VALUES (107) => s2
            INSERT INTO test(id) VALUES (108), (1108) => m1
            SELECT MAX(id) FROM test => s1
            SHOW STATUS LIKE 'Threads_connected' => m2
            INSERT INTO test(id) VALUES (109), (1109) => m1
            /* ms=master*/SELECT id FROM test WHERE id > 2 ORDER BY id => m1
            SELECT 110 => s2
            DESCRIBE test => m2
            SELECT 111 AS a => s1
            /*MS=MASTER */SELECT id FROM test WHERE id > 2 ORDER BY id => m1
            /*ms= slave*/set @a:=112 => m1
            /*ms*/ SELECT 113 AS a => s2
            /*hello ms=master*/REPLACE INTO test(id) VALUES (114) => m2
            stats use_slave 12, use_master 11, use_slave_guess 11, use_master_guess 7
            stats use_slave_sql_hint 1, use_master_sql_hint 4, use_last_used_sql_hint 1, lazy_connections_slave_success 2, lazy_connections_master_success 2
        "#,
    );
    scenario(
        "random s1-53: user_multi filter rr",
        "master1 | slave1 slave2 slave3 slave4 : user_multi, roundrobin : disabled",
        "all, all, 0|1 2 3, 0|0 1, 0|0 1 2",
        r#"
            /*MS=SLAVE*/ SELECT 101 FROM DUAL => slave1
            /*ms=last_used*/SELECT @r => slave1
            /* ms=slave*/ REPLACE INTO test(id) VALUES (102) => slave2
            (SELECT 5) => master1
            SELECT MAX(id) FROM test => slave1
            REPLACE INTO test(id) VALUES (103) => master1
            /*ms=slave*/DO 1 => slave2
            /* Ms=SLAve*/SELECT MAX(id) FROM test => slave3
            SELECT 'FROM test', 104 => slave1
            INSERT INTO test(id) VALUES (105) => master1
            SET @r='106' => master1
            /*xms=master*/SELECT MAX(id) FROM test => slave2
            /*ms=slave*/SELECT DATABASE() => slave3
            REPLACE INTO test(id) VALUES (107) => master1
            /* Ms=SLavE*/SELECT DATABASE() => slave1
            SELECT 108 => slave2
            /* ms=slave*/INSERT INTO test(id) VALUES (109), (1109) => slave3
            SELECT MAX(id) FROM test => slave1
            /*ms=slave*/SELECT 110 FROM DUAL => slave2
            SELECT MAX(id) FROM test => slave3
            /*xms=master*//*ms=slave*/SELECT 111 => slave1
            SELECT LEAST(112, 100000) => slave2
            stats use_slave 16, use_master 5, use_slave_guess 7, use_master_guess 5
            stats use_slave_sql_hint 9, use_last_used_sql_hint 1, lazy_connections_slave_success 3, lazy_connections_master_success 1
        "#,
    );
    scenario(
        "random s1-72: user filter",
        "src1 | rep1 rep2 : user : disabled",
        "s1, s0, s1, s1, m0, m0, ...",
        r#"
            SELECTED => rep2
            INSERT INTO test(id) VALUES (101) => rep1
            SELECT 'FROM test', 102 => rep2
            SELECT(103) => rep2
            SELECT 104 FROM DUAL => src1
            SELECT/**/105 => src1
            SELECT '106' => rep2
            SELECT/**/107 => rep1
            /**/ SELECT 108 => rep2
            stats use_slave 0, use_master 0, use_slave_callback 7
            stats use_master_callback 2, lazy_connections_slave_success 2, lazy_connections_master_success 1
        "#,
    );
    scenario(
        "random s1-75: user filter",
        "master1 | slave1 slave2 : user : disabled",
        "m0, m0, ...",
        r#"
            UPDATE missing SET a=1 => master1
            /*mS=LAst_uSED*/ SELECT(101) => master1
            SELECT DATABASE() => master1
            SELECT COUNT(*) FROM test => master1
            SELECT 'FROM test', 102 => master1
            SELECT '103' => master1
            DO 104 => master1
            SELECT/**/105 => master1
            SELECT /*ms=slave*/ 106 => master1
            SELECT id FROM test WHERE id > 2 ORDER BY id => master1
            /*ms=mas*/SELECT 107 /*ms=master*/ => master1
            SELECT id FROM test WHERE id > 2 ORDER BY id => master1
            DO 108 => master1
            SELECT MAX(id) FROM test => master1
            INSERT INTO test(id) VALUES (109) => master1
            SELECTED => master1
            stats use_slave 0, use_master 0, use_master_callback 16, lazy_connections_master_success 1
        "#,
    );
    scenario(
        "random s1-84: user filter",
        "M_1 | S_1 : eventual, user : disabled",
        "m0/s0/last, m0/s0/m0, m0/s0/last, ...",
        r#"
            SELECT 'FROM test', 101 => S_1
            SELECT 102 FROM DUAL => S_1
            INSERT INTO test(id) VALUES (103) => M_1
            INSERT INTO test(id) VALUES (104), (1104) => M_1
            SELECT /*ms=slave*/ 105 => S_1
            INSERT INTO test(id) VALUES (106), (1106) => M_1
            /*ms=last_used*/ SeLeCt 107 => M_1
            INSERT INTO test(id) VALUES (108), (1108) => M_1
            SHOW WARNINGS => M_1
            /*ms=slave*/SELECT 109 => S_1
            stats use_slave 0, use_master 0, use_slave_callback 4
            stats use_master_callback 6, lazy_connections_slave_success 1, lazy_connections_master_success 1
        "#,
    );
    scenario(
        "random s1-97: user filter",
        "src1 | rep1 rep2 : user : disabled",
        "m0/s1/last, m0/s1/last, ...",
        r#"
            SET @r='101' => src1
            /* ms=master*/SET @r='102' => src1
            /*12*/SELECT MAX(id) FROM test => rep2
            SELECT /*ms=slave*/ 103 => rep2
            /* ms=master*/SELECT MAX(id) FROM test => src1
            /*ms= slave*/ REPLACE INTO test(id) VALUES (104) => src1
            /* ms=slave */ REPLACE INTO test(id) VALUES (105) => rep2
            SELECT(106) => rep2
            /* MS=MASTER*/SELECT DATABASE() => src1
            SELECT COUNT(*) FROM test => rep2
            /*hello*//*MS=SLAVE */ SELECT LEAST(107, 100000) => rep2
            SELECT 108 FROM DUAL => rep2
            UPDATE test SET id = id + 1000 WHERE id = 3 => src1
            stats use_slave 0, use_master 0, use_slave_callback 7
            stats use_master_callback 6, lazy_connections_slave_success 1, lazy_connections_master_success 1
        "#,
    );
    scenario(
        "random s1-99: user filter",
        "M_1 | S_1 S_2 : eventual, user : disabled",
        "s1, m0, s1, s1, ...",
        r#"
            set @a:=101 => S_2
            SELECT DATABASE() => M_1
            /*ms=master*/SELECT MAX(id) FROM test => S_2
            SELECT LEAST(102, 100000) => S_2
            INSERT INTO test(id) VALUES (103), (1103) => S_2
            select 104 => M_1
            SELECT DATABASE() => S_2
            SELECT/**/105 => S_2
            SELECT DATABASE() => S_2
            SELECT /*ms=slave*/ 106 => M_1
            UPDATE test SET id = id + 1000 WHERE id = 2 => S_2
            SELECT(108) => S_2
            SELECT DATABASE() => S_2
            stats use_slave 0, use_master 0, use_slave_callback 10
            stats use_master_callback 3, lazy_connections_slave_success 1, lazy_connections_master_success 1
        "#,
    );
    scenario(
        "random s1-107: user filter",
        "src1 | rep1 rep2 : user : disabled",
        "m0/s1/m0, m0/s0/m0, ...",
        r#"
            SELECT 101 /*ms=master*/ => rep2
            set @a:=102 => src1
            UPDATE test SET id = id + 1000 WHERE id = 2 => src1
            UPDATE test SET id = id + 1000 WHERE id = 4 => src1
            /* ms=last_used*/SET @r='105' => src1
            INSERT INTO test(id) VALUES (106), (1106) => src1
            SELECT DATABASE() => rep2
            DELETE FROM test WHERE id = 1 => src1
            stats use_slave 0, use_master 0, use_slave_callback 2
            stats use_master_callback 6, lazy_connections_slave_success 1, lazy_connections_master_success 1
        "#,
    );
    scenario(
        "random s1-130: user filter",
        "M_1 M_2 | S_1 S_2 : user : disabled",
        "m1/s1/m0, m0/s0/m0, m1/s0/m0, m0/s1/m0, ...",
        r#"
            SELECT COUNT(*) FROM test => S_2
            UPDATE test SET id = id + 1000 WHERE id = 3 => M_1
            SELECT 102 => S_1
            nonsense statement => M_1
            UPDATE test SET id = id + 1000 WHERE id = 1 => M_2
            /*12*/SELECT id FROM test WHERE id > 2 ORDER BY id => S_1
            SELECT 104 /*ms=master*/ => S_1
            SELECT 105 FROM DUAL => S_2
            REPLACE INTO test(id) VALUES (106) => M_2
            /*ms=mas*//*ms=SlavE */SELECT 107 UNION SELECT 107 => S_1
            SELECT @r => S_1
            stats use_slave 0, use_master 0, use_slave_callback 7
            stats use_master_callback 4, lazy_connections_slave_success 2, lazy_connections_master_success 2
        "#,
    );
    scenario(
        "random s1-137: user_multi filter random",
        "m1 | s1 s2 s3 : user_multi, random : disabled",
        "0|1, 0|1, 0|0 1 2, ...",
        r#"
            /*ms=slave*/SELECT id FROM test WHERE id > 2 ORDER BY id => s1 / s2 / s3
            /*ms=slave*/ SELECT 101 /*ms=master*/ => s1 / s2 / s3
            SELECT 102 UNION SELECT 102 => s1 / s2 / s3
            UPDATE missing SET a=1 => m1
            SELECT COUNT(*) FROM test => s1 / s2 / s3
            SELECT 103 AS a => s1 / s2 / s3
            SELECT @r => s1 / s2 / s3
            /* x */SELECT MAX(id) FROM test => s1 / s2 / s3
            /*12*/select 104 => s1 / s2 / s3
            /*ms=slave */nonsense statement => s1 / s2 / s3
            /*ms=slave*/SELECTED => s1 / s2 / s3
            stats use_slave 10, use_master 1, use_slave_guess 6, use_master_guess 1, use_slave_sql_hint 4
        "#,
    );
    scenario(
        "random s1-140: user filter",
        "master1 master2 | slave1 slave2 : user : disabled",
        "m0/s1/m0, m1/s0/last, uri:no such server, m0/s0/last, m1/s1/last, ...",
        r#"
            SELECT /*ms=slave*/ 101 => slave2
            /*12*/ SELECT '102' => slave1
            set @a:=103 => no_connection
            SELECT 104 AS a => slave1
            select 105 => slave2
            stats use_slave 0, use_master 0, use_slave_callback 4, lazy_connections_slave_success 2
        "#,
    );
    scenario(
        "random s1-141: user filter",
        "src1 src2 | rep1! rep2 : user : disabled",
        "m1/s0/m0, m0/s1/m0, m0/s0/m0, ...",
        r#"
            SELECT DATABASE() => connect
            /*ms=slave */SELECT 101 /*ms=master*/ => rep2
            /*hello*/CALL nosuch() => src1
            SELECT LEAST(102, 100000) => connect
            /* MS=SLAVE*/ SET @r='103' => rep2
            SELECT/**/104 => connect
            SET @r='105' => src2
            SELECT MAX(id) FROM test => rep2
            /* x */SELECT MAX(id) FROM test => connect
            CALL nosuch() => src2
            CALL nosuch() => src1
            nonsense statement => src1
            /*ms*/ select 106 => connect
            /*MS=MASTER*/ SELECT 107 => src1
            /*xms=master*/INSERT INTO test(id) VALUES (108), (1108) => src1
            SELECT 'FROM test', 109 => connect
            SELECT 110 FROM DUAL => rep2
            UPDATE missing SET a=1 => src1
            REPLACE INTO test(id) VALUES (111) => src2
            DESCRIBE test => src1
            /* MS=MASTER*/ SELECT 112 AS a => src1
            SELECT 113 => connect
            SELECT 114 FROM DUAL => rep2
            stats use_slave 0, use_master 0, use_slave_callback 12
            stats use_master_callback 11, lazy_connections_slave_success 1, lazy_connections_slave_failure 7, lazy_connections_master_success 2
        "#,
    );
}

/// `SERVERS : FILTERS : FAILOVER : SETTINGS`, what callbacks answer, and the story.
#[track_caller]
fn scenario(name: &str, setup: &str, script: &str, story: &str) {
    let mut parts = setup.split(" : ").map(str::trim);
    let mut part = || parts.next().unwrap_or_default();
    let mut sim = Sim::with_filters(part(), chain(part(), script)).failover(part());
    let settings = part();
    if settings.contains("no_split") {
        sim.settings.split = Split::Disabled;
    }
    if settings.contains("trx_on") {
        sim.settings.stickiness = Stickiness::On;
    }
    if settings.contains("trx_master") {
        sim.settings.stickiness = Stickiness::Primary;
    }
    sim.tell(name, story);
}
