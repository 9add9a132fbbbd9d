#pragma once

// The tables of a run store. Change store_version with them. Internal to sim/store.

namespace convoy::sim {

// A task's id is no key of its table: rows come as tasks end, and SQLite appends by far faster than
// it inserts between ids.
constexpr const char* schema_sql = R"sql(
CREATE TABLE run (
  name TEXT NOT NULL, schedule TEXT NOT NULL, seed INTEGER NOT NULL, scenario TEXT NOT NULL,
  scenario_hash TEXT NOT NULL, version TEXT NOT NULL, world TEXT NOT NULL,
  status TEXT NOT NULL, cause TEXT NOT NULL, virtual_time_s REAL);
CREATE TABLE node (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, device TEXT NOT NULL, mode TEXT NOT NULL,
  link TEXT NOT NULL, backend TEXT NOT NULL, memory_bytes REAL NOT NULL, samples INTEGER NOT NULL,
  batch INTEGER NOT NULL, busy_s REAL, communicating_s REAL, waiting_s REAL, away_s REAL,
  bytes_in REAL, bytes_out REAL, peak_memory_bytes REAL, energy_j REAL, tasks INTEGER, tasks_failed INTEGER);
CREATE TABLE task (
  id INTEGER NOT NULL, node INTEGER NOT NULL, label TEXT NOT NULL, kind TEXT NOT NULL,
  rate REAL NOT NULL, samples REAL NOT NULL, base_version INTEGER NOT NULL, assigned_s REAL NOT NULL,
  ended_s REAL NOT NULL, outcome TEXT NOT NULL, aggregated_version INTEGER, staleness INTEGER,
  consumed_by INTEGER, published_version INTEGER, busy_s REAL NOT NULL, communicating_s REAL NOT NULL, bytes_down REAL NOT NULL,
  bytes_up REAL NOT NULL, flops REAL NOT NULL, energy_j REAL, kept REAL, loss REAL,
  local_accuracy REAL, share REAL);
CREATE TABLE activity (
  task INTEGER NOT NULL, activity INTEGER NOT NULL, iteration INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0, kind TEXT NOT NULL, label TEXT NOT NULL,
  node INTEGER NOT NULL, peer INTEGER, ready_s REAL NOT NULL, start_s REAL, end_s REAL NOT NULL,
  bytes REAL NOT NULL, flops REAL NOT NULL, energy_j REAL, real INTEGER NOT NULL DEFAULT 0,
  predicted_s REAL, cause TEXT NOT NULL);
CREATE TABLE aggregation (
  version INTEGER PRIMARY KEY, task INTEGER NOT NULL, start_s REAL NOT NULL, end_s REAL NOT NULL,
  updates INTEGER NOT NULL, samples REAL NOT NULL, staleness_mean REAL NOT NULL,
  staleness_max INTEGER NOT NULL, coverage_min INTEGER, untrained REAL);
CREATE TABLE evaluation (
  version INTEGER NOT NULL, time_s REAL NOT NULL, exit INTEGER NOT NULL, blocks INTEGER NOT NULL,
  judged INTEGER NOT NULL, loss REAL, top1 REAL NOT NULL, top5 REAL NOT NULL,
  f1 REAL NOT NULL, untrained REAL NOT NULL, bytes REAL, energy_j REAL, energy_server_j REAL);
CREATE TABLE journal (
  sequence INTEGER PRIMARY KEY, time_s REAL NOT NULL, entry TEXT NOT NULL, kind TEXT NOT NULL,
  node INTEGER NOT NULL, task INTEGER NOT NULL, detail TEXT NOT NULL);
CREATE TABLE presence (
  time_s REAL NOT NULL, node INTEGER NOT NULL, present INTEGER NOT NULL, for_good INTEGER NOT NULL);
CREATE TABLE reading (
  wall_s REAL NOT NULL, time_s REAL NOT NULL, node INTEGER NOT NULL, power_w REAL,
  temperature_c REAL, cpu_load REAL, gpu_load REAL, memory_used_bytes REAL,
  memory_total_bytes REAL);
CREATE TABLE host (key TEXT PRIMARY KEY, value TEXT NOT NULL);
)sql";

}  // namespace convoy::sim
