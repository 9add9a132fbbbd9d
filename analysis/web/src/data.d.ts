// What the page draws. `convoy report` writes one Data into the page (script element "data", JSON);
// a live run sends the same by WebSocket, in the messages at the end. Columns of one table have one
// length. Times are virtual seconds, sizes bytes, energy joules, shares 0 to 1; what does not apply
// or is not known is null. Times are rounded to ten digits of the whole run's length where they
// are many. Names come from scenarios: never put them into markup unescaped.
// analysis/report/data.cpp is the other side.

export interface Data {
  made_by: string;            // "convoy 0.1.0"
  runs: Run[];                // in the order given
  sweeps: Sweep[];
  comparison: Comparison | null;
  bands: Band[];              // one for each group, x and y
  fidelity: Fidelity[];       // simulation against measurement
  live: '' | 'run' | 'sweep'; // not '': the page asks for it by WebSocket; `runs` is empty
}

export interface Run {
  label: string;              // unique in the page; the folder
  name: string;               // of the scenario
  schedule: string;
  model: string;              // architecture
  data: string;               // source of the data
  fleet: string;              // for people: "16 nodes: 4 x jetson-nano, ..."
  seed: string;               // digits: 64 bits
  status: 'running' | 'done' | 'failed' | 'stopped';
  cause: string;              // why it failed; else ""
  scenario: string;           // TOML
  scenario_hash: string;
  version: string;            // of Convoy
  world: string;              // the network model
  host: Record<string, string>;
  virtual_time_s: number;
  remarks: string[];          // what is missing here and why, for people; e.g. no learning, no activities
  figures: Figures;
  nodes: Nodes;
  nodes_left_out: number;     // of a huge fleet: not in `nodes`, nor in tables by node but `rounds`
  curve: Curve;
  exits: { time_s: number[]; version: number[]; exit: number[]; blocks: number[]; judged: boolean[];
           loss: (number | null)[]; top1: number[]; top5: number[]; f1: number[] };
  aggregations: { version: number[]; start_s: number[]; end_s: number[]; updates: number[];
                  staleness_mean: number[]; staleness_max: number[];
                  coverage_min: (number | null)[]; untrained: (number | null)[] };
  rounds: Rounds;
  updates: Updates;
  timeline: Timeline;
  staleness: { versions: number[]; updates: number[] };      // distribution over aggregated updates
  idle: { node: number[]; cause: string[]; s: number[] };    // sums by node and cause
  traffic: Traffic;
  plans: Plans;
  pipeline: Pipeline | null;  // null: no activity has a label of a pipeline
  readings: { time_s: number[]; node: number[]; power_w: (number | null)[];
              temperature_c: (number | null)[]; cpu_load: (number | null)[];
              gpu_load: (number | null)[]; memory_used_bytes: (number | null)[] };  // sensors of real nodes
}

export interface Figures {    // null: not known (yet)
  rounds: number;             // aggregations
  tasks: number;              // node updates that came to their end
  tasks_aggregated: number;
  tasks_dropped: number;      // of these: in no version, too old or left out
  tasks_failed: number;       // before their end
  samples: number;
  utilization: number | null; // busy time over (workers x virtual time)
  bytes_down: number;
  bytes_up: number;
  energy_j: number | null;    // of the workers: computing, links, idle while present
  energy_server_j: number | null;     // likewise of the server
  lost_s: number;             // computing and transfers of tasks that failed or were given up
  peak_memory_bytes: number | null;   // of the worker that needed most
  staleness_mean: number | null;
  staleness_max: number | null;
  coverage_min: number | null;
  accuracy: number | null;    // last
  accuracy_best: number | null;
  accuracy_area: number | null;       // mean accuracy over virtual time
  energy_time_js: number | null;      // energy_j x virtual time
  samples_per_j: number | null;       // samples for a joule of the workers
  targets: Target[];          // by accuracy; of a report the same accuracies for all runs
}

// What it took to reach an accuracy; null: never.
export interface Target extends Level {
  time_to_accuracy_s: number | null;
  bytes_to_accuracy: number | null;
  energy_to_accuracy_j: number | null;        // of the workers
  energy_server_to_accuracy_j: number | null;
  energy_time_to_accuracy_js: number | null;
}

// Nodes, exits, aggregations and readings have all columns of their tables in the store; here are
// those that the page uses. `id` of the first is 0, the server. Everywhere else a node is named by its id.
export interface Nodes {
  id: number[]; name: string[]; device: string[]; mode: string[]; link: string[];
  class: string[];            // device in mode: "jetson-nano 10W"
  real: boolean[];            // a real device
  memory_bytes: number[];     // that tasks may use
  samples: number[]; batch: number[];
  lost_s: number[];           // computing and transfers of tasks that failed or were given up
  busy_s: (number | null)[];  // null in all that follow: the run is not over
  communicating_s: (number | null)[]; waiting_s: (number | null)[]; away_s: (number | null)[];
  bytes_in: (number | null)[]; bytes_out: (number | null)[];
  peak_memory_bytes: (number | null)[]; energy_j: (number | null)[];
  tasks: (number | null)[]; tasks_failed: (number | null)[];
}

// Evaluations of the global model: the exit that counts. What had come in until then.
export interface Curve {
  time_s: number[]; version: number[]; accuracy: number[]; loss: (number | null)[];
  bytes: (number | null)[];   // null: the store does not say
  energy_j: (number | null)[];        // of the workers, as Figures has it, until then
  samples: number[];
  updates: number[];          // node updates
}

// The critical path of each round: the chain of activities that ended with the start of its
// aggregation, within the round, and the aggregation itself.
export interface Rounds {
  version: number[];          // that the round made
  begin_s: number[]; end_s: number[];
  closed_by: string[];        // "all" updates were there, a "quorum" was, or the "deadline"
  node: (number | null)[];    // whom everyone waited for
  label: string[];            // the longest of its activities in the round ("" : none)
  label_s: number[];          // how long that took
  queue_s: number[];          // parts of the path; they add up to end_s - begin_s
  link_s: number[]; compute_s: number[]; outage_s: number[]; aggregation_s: number[];
  other_s: number[];
}

// Tasks whose update was aggregated: which version took it, and how many versions were made since
// its base was downloaded.
export interface Updates { node: number[]; version: number[]; staleness: number[] }

// What leaves devices and comes to them, by kind of transfer: first of all devices (class ""), then, if
// there are several classes, by class. No rows until the run is over, and of stores of before.
export interface Traffic {
  label: string[];            // of the transfer: "upload"
  artifact: string[];         // its name in the task's graph: "update"
  way: ('up' | 'down' | 'between')[]; // from a device to the server, the other way, to another device
  class: string[];            // as in Nodes
  devices: number[];          // that had such a transfer; "between": that sent it
  transfers: number[];        // complete
  bytes: number[];            // of these
  share: number[];            // of all bytes of the run
  mean_bytes: number[];       // of a transfer
  least_bytes: number[]; most_bytes: number[];        // of one of `devices`
  broken_off: number[];       // begun and not complete: their bytes are in no sum
}

// What a split schedule planned, and when. A plan of a store of before has its `text` alone.
export interface Plans {
  time_s: number[];
  cause: (string | null)[];   // why then: "first", "devices", "change", "period"
  adopted: (boolean | null)[];        // false: the cuts of before were kept, `round_s` is with them
  round_s: (number | null)[]; // predicted
  old_round_s: (number | null)[];     // by the plan before, with what was known then; null: there was none
  best_round_s: (number | null)[];    // of the best cuts found
  cost_s: (number | null)[];  // of a move to them
  text: string[];             // "" but in stores of before
  // Each node of each plan; rates are of each transfer (0: no limit), server_share 0: not shared.
  nodes: { plan: number[];    // index of the columns above
           node: number[]; cut: number[]; cut_name: string[];
           up_bytes_per_s: number[]; down_bytes_per_s: number[]; server_share: number[];
           predicted_s: number[] };
}

// A run of pipelines (analysis/pipeline.hpp). Of the tables by time the shortest rows may be left out
// (of memory: all but the greatest of an interval); sums are over all.
export interface Pipeline {
  // Of each of timeline.labels. kind: "forward", "backward", "take", "all_reduce", "add", "step",
  // "give", "collect", "join"; "": of another form. Numbers: -1 where there is none.
  labels: { kind: string[]; microbatch: number[]; stage: number[]; to_stage: number[] };
  rounds: { task: number[]; iteration: number[]; begin_s: number[]; end_s: number[] };
  // In all rounds: rounds_s is computing_s and the waits together. stage -1: none.
  devices: { node: number[]; stage: number[]; rounds: number[]; rounds_s: number[];
             computing_s: number[]; activation_s: number[]; gradient_s: number[]; link_s: number[];
             all_reduce_s: number[]; done_s: number[]; other_s: number[] };
  causes: string[];           // of bubbles: "activation", "gradient", ...
  bubbles: { round: number[]; node: number[]; begin_s: number[]; end_s: number[];
             cause: number[] };                 // index of causes
  bubbles_from_s: number;     // shorter ones are left out; 0: none
  // The rounds' critical paths. label: index of timeline.labels, -1: nothing known; waits: 1 for the
  // time in which it was ready and did not begin; peer: of a transfer, else -1.
  path: { round: number[]; label: number[]; node: number[]; peer: number[]; waits: number[];
          begin_s: number[]; end_s: number[] };
  path_from_s: number;
  path_sums: { kind: string[]; stage: number[]; to_stage: number[]; s: number[] };  // kind also "wait", "other"
  memory: { node: number[]; time_s: number[]; bytes: number[];  // by node, then time
            greatest_of_s: number };            // each value is the greatest of so long; 0: all are there
}

// A transfer is the worker's (both workers', where there are two).
export interface Timeline {
  labels: string[];           // "download", "train", "upload", "mask", "aggregate" ...
  kinds: ('compute' | 'transfer')[];  // of each label
  causes: string[];           // why something was given up or waited for; [0] is ""
  // By node, then begin_s.
  activities: { node: number[]; lane: number[];   // 0 compute, 1 send, 2 receive
                label: number[];                  // index of labels
                begin_s: number[]; end_s: number[]; task: number[];
                real: number[];                   // 1: measured on a device
                cause: number[] };                // index of causes; above 0: it was lost
  waits: { node: number[]; begin_s: number[]; end_s: number[]; cause: number[] };
  away: { node: number[]; begin_s: number[]; end_s: number[] };
  merged_below_s: number;     // activities and gaps shorter than this are drawn together; 0: none
}

export interface Sweep {
  label: string;              // folder
  name: string;
  version: string;
  keys: string[];             // of the axes, e.g. "schedule.kind", "seed"
  figures: Metric[];          // those that some point has
  levels: Level[];            // the accuracies to which points are timed
  points: { settings: string[];               // a value for each key, as in TOML, without quotes
            status: 'done' | 'failed' | 'missing'; cause: string;
            values: (number | null)[] }[];    // for each of `figures`
  winners: Winners[];         // for each axis that can be the contest; schedule.kind first
}

// Who wins where (analysis/winners.hpp): one axis is the contest, the others make cells.
export interface Winners {
  contest: string[];          // keys
  along: string[];            // keys whose values follow from the contestant: zipped axes
  keys: string[];             // of the cells; none: one cell
  names: string[];            // short ones of `keys`
  contestants: { label: string; settings: string[] }[];
  metrics: Metric[];
  cells: { settings: string[];                // a value for each of `keys`
           entrants: Entrant[];               // by contestant
           verdicts: Verdict[] }[];           // by metric
  notes: string[];            // sentences: what was learned in place of a model
}
export interface Entrant {
  points: number;             // 0: the sweep has none of it in this cell
  done: number; failed: number;
  fruitless: number;          // done, but no node update came to its end: no value counts
  mostly_lost: number;        // done, but more node updates failed than came to their end
  trouble: string;            // all that in words; "" if there is none
}
export interface Verdict {
  decision: 'mean' | 'reach' | 'alone' | 'tie' | 'none';
  winner: number | null; runner_up: number | null;    // indices of contestants
  ratio: number | null;       // of the means, at least 1; null for shares
  difference: number | null;  // winner - runner-up
  pairs: number; low: number | null; high: number | null;     // 95 % interval at equal seeds
  method: '' | 't' | 'bootstrap';
  clear: boolean | null;      // the interval excludes 0; null: there is none
  why: string;                // nobody wins
  lead: string; mark: string; // "1.83x less"; how sure it is, or why nobody wins
  means: (number | null)[]; counts: number[];         // by contestant; counts: seeds with a value
}

// With several targets a key occurs several times, each with another `target`.
export interface Metric {
  key: string; title: string;
  unit: 's' | 'bytes' | 'J' | 'J s' | 'samples/J' | 'share' | 'count';
  better: 'less' | 'more' | '';
  usual: boolean;             // shown unless others are asked for
  target: number | null;      // the accuracy, of metrics "to an accuracy"
  note: string;               // what says that this accuracy is to be reached; else ""
}

export interface Level { accuracy: number; from: string }   // from: for people

// Groups of runs that differ in their seed alone, against one of them.
export interface Comparison {
  baseline: number;           // index of groups
  level: Level | null;        // the first of levels
  levels: (Level & { runs: number })[];       // to which runs are timed; how many reach it
  groups: { label: string; runs: string[]; seeds: string[]; learned_as?: string }[];
  notes: string[];            // sentences: what was learned in place of a model
  figures: (Metric & {
    values: (number | null)[][];              // [group][run]
    mean: (number | null)[];                  // [group]
    ratio: (number | null)[];                 // of the means, to the baseline's
    paired: (null | { seeds: string[]; differences: number[]; mean: number;
                      low: number | null; high: number | null;  // 95 % interval of the mean; null: one pair
                      method: '' | 't' | 'bootstrap' })[];      // [group]; null for the baseline
  })[];
}

// Mean over the runs of a group, with its 95 % interval. Groups have the labels of Comparison.
export interface Band {
  group: string; schedule: string; runs: number;
  x: 'time_s' | 'updates' | 'bytes' | 'energy_j';
  y: 'accuracy' | 'loss';
  at: number[]; mean: number[];
  low: (number | null)[]; high: (number | null)[];    // null: one run
}

// As `convoy compare --json` has it: errors are shares of the measured duration; bias is that of the
// means: (simulated_s - measured_s) / measured_s.
export interface Fidelity {
  simulated: string | null;   // folder; null: each activity's own prediction
  measured: string;
  nodes: FidelityRow[]; totals: FidelityRow[];
  makespan: FidelityEnd | null;
  version: number | null; to_version: FidelityEnd | null;
  remarks: string[];
}
export interface FidelityRow {
  node?: string; label: string; compared: number;
  simulated_s: number | null; measured_s: number | null;
  error: number | null; bias: number | null;
}
export interface FidelityEnd { simulated_s: number; measured_s: number; error: number | null }

// --- live ---------------------------------------------------------------------------------------
// ws://HOST/live, with ?token=... where the page's address has one. The server sends `run` first,
// then `rows` and `now` until `end`; after that it closes. `run` and `rows` hold at most the first
// 50,000 activities and tasks; a remark says so when there are more, and `end` has all. A client may send {"do": "pause"},
// {"do": "resume"} or {"do": "stop"}; they are answered with `now` or `refused`.

export type Message =
  | { type: 'run'; run: Run; may_control: boolean;  // the address holds the token
      pausable: boolean }                           // no: there are real nodes
  // `updates` to `readings` are appended to the columns of the same name (activities in no order).
  | { type: 'rows'; updates: Updates; activities: Timeline['activities'];
      exits: Run['exits']; aggregations: Run['aggregations']; readings: Run['readings'];
      // These take the place of what was there. Only `curve` and `remarks` once a limit is reached.
      whole: Pick<Run, 'curve' | 'remarks' | 'plans'> &
             Partial<Pick<Run, 'figures' | 'rounds' | 'idle' | 'staleness' | 'pipeline'>>;
      timeline?: Omit<Timeline, 'activities' | 'merged_below_s'> }
  | { type: 'now'; virtual_time_s: number; wall_time_s: number;
      lag_ms: number | null;    // of real nodes, at most so far
      share: number;            // of the way to its end
      rounds: number; tasks: number; tasks_failed: number;
      accuracy: number | null;  // may be ahead of `curve`, from which the page shows it
      paused: boolean;          // somebody has asked for it
      at_rest: boolean;         // and the run has come to rest: what is told here is all there is
      nodes: { node: number[]; label: string[]; since_s: number[]; away: boolean[] } } // who does what; absent: idle
  | { type: 'end'; run: Run }   // over: the same with all that is known at the end
  | { type: 'refused'; why: string };

// Of a sweep the server sends `sweep` first, then `report` whenever a point has ended, and `now`
// until `end`. A client may send {"do": "stop"}. /point/3 is the report of a point that is done.
export type SweepMessage =
  | { type: 'sweep'; may_control: boolean;
      with_stores: boolean }                        // points that are done have a page
  | { type: 'report'; data: Data }              // of all points that are done; `live` is ''
  | { type: 'now'; points: number; done: number; failed: number; stopped: number; // equal ones once
      running: { point: number[]; share: number[] };  // of Sweep.points; share: 0 to 1
      wall_time_s: number; left_s: number | null }    // left: estimated
  | { type: 'end'; status: 'done' | 'failed' | 'stopped'; data: Data;
      now: SweepMessage & { type: 'now' } }
  | { type: 'refused'; why: string };
