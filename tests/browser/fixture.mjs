// Artificial data in the format of analysis/web/src/data.d.ts, the same each time.

function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const hostile = '<script>alert(1)</script><img src=x onerror=alert(2)>{a|b}';

const devices = [
  'jetson-nano',
  'jetson-tx2',
  'jetson-xavier-nx-16gb',
  'jetson-agx-xavier-32gb',
  'jetson-orin-nano-8gb',
  'jetson-agx-orin-64gb',
];

// Columns that rows are pushed onto.
const columns = (...names) => Object.fromEntries(names.map((name) => [name, []]));
function push(table, row) {
  for (const key of Object.keys(table)) {
    if (!(key in row)) throw new Error(`no ${key}`);
    table[key].push(row[key]);
  }
}

export function makeRun({
  label = 'runs/cos2p',
  schedule = 'cos2p',
  seed = 1,
  nodes = 16,
  activities = 2000,
  names = null,
  learns = true,
  real = 2,
  status = 'done',
  overlap = false,
  slow = 1,
  traced = 0,
  planned = 0,
} = {}) {
  const random = generator(seed * 7919 + nodes);
  const nodeTable = columns(
    'id',
    'name',
    'device',
    'mode',
    'class',
    'link',
    'real',
    'memory_bytes',
    'samples',
    'batch',
    'busy_s',
    'communicating_s',
    'waiting_s',
    'away_s',
    'lost_s',
    'bytes_in',
    'bytes_out',
    'peak_memory_bytes',
    'energy_j',
    'tasks',
    'tasks_failed'
  );
  const timeline = {
    labels: ['download', 'train', 'upload', 'mask', 'aggregate'],
    kinds: ['transfer', 'compute', 'transfer', 'compute', 'compute'],
    causes: ['', 'node_lost', 'quorum', 'server', 'link'],
    activities: columns('node', 'lane', 'label', 'begin_s', 'end_s', 'task', 'real', 'cause'),
    waits: columns('node', 'begin_s', 'end_s', 'cause'),
    away: columns('node', 'begin_s', 'end_s'),
    merged_below_s: 0,
  };
  const updates = columns('node', 'version', 'staleness', 'ended_s'); // the last column is for tests only
  let tasks = 0;
  const idle = columns('node', 'cause', 's');
  const running = status === 'running';

  const workers = nodes - 1;
  const perWorker = Math.max(1, Math.floor(activities / workers / 4));
  let end = 0;
  const sums = new Map();
  for (let id = 0; id < nodes; id += 1) {
    const device = id === 0 ? 'server-generic' : devices[(id - 1) % devices.length];
    const pace = slow * (id === 0 ? 1 : 1.6 - 0.22 * ((id - 1) % devices.length));
    const isReal = id > 0 && id <= real;
    const sum = { busy: 0, sending: 0, waiting: 0, away: 0, failed: 0, tasks: 0 };
    let time = 0;
    for (let step = 0; id > 0 && step < perWorker; step += 1) {
      const task = step * workers + id;
      const lost = random() < 0.012;
      const activity = (lane, label, length, cause = 0) => {
        push(timeline.activities, {
          node: id,
          lane,
          label,
          begin_s: time,
          end_s: time + length,
          task,
          real: Number(isReal),
          cause,
        });
        time += length;
      };
      const sent = (0.4 + random() * 0.5) * pace;
      activity(2, 0, sent);
      const trained = (2.2 + random()) * pace;
      activity(0, 1, lost ? trained / 2 : trained, lost ? 1 : 0);
      sum.busy += trained;
      sum.sending += sent;
      if (lost) {
        const gone = 1 + random() * 3;
        push(timeline.away, { node: id, begin_s: time, end_s: time + gone });
        time += gone;
        sum.away += gone;
        sum.failed += 1;
      } else {
        if (overlap) time -= trained * 0.2;
        const up = (0.8 + random()) * pace;
        activity(1, 2, up);
        sum.sending += up;
        if (schedule === 'cos2p') activity(0, 3, 0.15 * pace);
        const waited = ((0.2 + random() * 1.2) * (schedule === 'fedavg' ? 2 : 0.5)) / pace;
        const why = random() < 0.7 ? 2 : 3 + Number(random() < 0.5);
        push(timeline.waits, { node: id, begin_s: time, end_s: time + waited, cause: why });
        sums.set(`${id} ${why}`, (sums.get(`${id} ${why}`) ?? 0) + waited);
        time += waited;
        sum.waiting += waited;
      }
      sum.tasks += 1;
      tasks += 1;
      if (!lost)
        push(updates, {
          node: id,
          version: step + 1,
          staleness: Math.min(Math.floor(pace * random() * 2), step),
          ended_s: time,
        });
    }
    end = Math.max(end, time);
    const value = (known) => (running ? null : known);
    push(nodeTable, {
      id,
      name:
        names?.[id] ?? (id === 0 ? 'server' : `${device}-${Math.floor((id - 1) / devices.length)}`),
      device,
      mode: id === 0 ? '' : 'MAXN',
      class: id === 0 ? device : `${device} MAXN`,
      link: id === 0 ? 'gigabit' : 'wifi6',
      real: isReal,
      memory_bytes: (id === 0 ? 32 : [4, 8, 16, 32, 8, 64][(id - 1) % 6]) * 2 ** 30 * 0.8,
      samples: 900,
      batch: 32,
      busy_s: value(sum.busy),
      communicating_s: value(sum.sending),
      waiting_s: value(sum.waiting),
      away_s: value(sum.away),
      lost_s: 3 * sum.failed,
      bytes_in: value(4.2e6 * sum.tasks),
      bytes_out: value(3.9e6 * sum.tasks),
      peak_memory_bytes: value(id === 0 ? 0.3e9 : (1.1 + random()) * 2 ** 30),
      energy_j: value(id === 0 ? null : 40 * pace * sum.tasks),
      tasks: value(sum.tasks),
      tasks_failed: value(sum.failed),
    });
  }
  for (const [key, s] of sums) {
    const [node, why] = key.split(' ').map(Number);
    push(idle, { node, cause: timeline.causes[why], s });
  }

  const rounds = Math.min(perWorker, 40);
  const roundTable = columns(
    'version',
    'begin_s',
    'end_s',
    'closed_by',
    'node',
    'label',
    'label_s',
    'queue_s',
    'link_s',
    'compute_s',
    'outage_s',
    'aggregation_s',
    'other_s'
  );
  const aggregations = columns(
    'version',
    'start_s',
    'end_s',
    'updates',
    'staleness_mean',
    'staleness_max',
    'coverage_min',
    'untrained'
  );
  const curve = columns('time_s', 'version', 'accuracy', 'loss', 'bytes', 'energy_j', 'samples', 'updates');
  const exits = columns(
    'time_s',
    'version',
    'exit',
    'blocks',
    'judged',
    'loss',
    'top1',
    'top5',
    'f1'
  );
  for (let version = 1; version <= rounds; version += 1) {
    const begin = (end * (version - 1)) / rounds;
    const close = (end * version) / rounds;
    const length = close - begin;
    const outage = version % 9 === 0 ? length * 0.1 : 0;
    push(roundTable, {
      version,
      begin_s: begin,
      end_s: close,
      closed_by: ['quorum', 'all', 'deadline'][version % 3],
      node: 1 + Math.floor(random() ** 2 * workers),
      label: 'train',
      label_s: length * 0.5,
      queue_s: length * 0.08,
      link_s: length * 0.25,
      compute_s: length * 0.5,
      outage_s: outage,
      aggregation_s: length * 0.07,
      other_s: length * 0.1 - outage,
    });
    push(aggregations, {
      version,
      start_s: close - length * 0.07,
      end_s: close,
      updates: workers,
      staleness_mean: 1.1,
      staleness_max: 4,
      coverage_min: 3,
      untrained: 0.01,
    });
    push(timeline.activities, {
      node: 0,
      lane: 0,
      label: 4,
      begin_s: close - length * 0.07,
      end_s: close,
      task: -version - 1,
      real: 0,
      cause: 0,
    });
    if (!learns) continue;
    const accuracy =
      0.97 -
      0.85 * Math.exp((-version / rounds) * (schedule === 'fedavg' ? 3.2 : 4.5)) +
      (random() - 0.5) * 0.02;
    const loss = 2.6 * Math.exp((-version / rounds) * 3) + 0.1 + random() * 0.05;
    push(curve, {
      time_s: close,
      version,
      accuracy,
      loss,
      bytes: 8.1e6 * workers * version,
      energy_j: 600 * version,
      samples: 900 * workers * version,
      updates: workers * version,
    });
    for (let exit = 0; exit < 3; exit += 1) {
      push(exits, {
        time_s: close,
        version,
        exit,
        blocks: exit + 2,
        judged: exit === 2,
        loss: loss + 0.2 * (2 - exit),
        top1: accuracy - 0.06 * (2 - exit),
        top5: 0.99,
        f1: accuracy,
      });
    }
  }
  sortBy(
    timeline.activities,
    (t, i) => t.node[i],
    (t, i) => t.begin_s[i]
  );

  const staleness = { versions: [], updates: [] };
  const counted = new Map();
  for (const value of updates.staleness) counted.set(value, (counted.get(value) ?? 0) + 1);
  for (const value of [...counted.keys()].sort((a, b) => a - b)) {
    staleness.versions.push(value);
    staleness.updates.push(counted.get(value));
  }
  const readings = columns(
    'time_s',
    'node',
    'power_w',
    'temperature_c',
    'cpu_load',
    'gpu_load',
    'memory_used_bytes'
  );
  for (let i = 0; real > 0 && i < 40; i += 1) {
    for (let node = 1; node <= real; node += 1) {
      push(readings, {
        time_s: (end * i) / 40,
        node,
        power_w: 8 + node * 3 + random() * 2,
        temperature_c: 42 + i * 0.4 + random(),
        cpu_load: random(),
        gpu_load: null,
        memory_used_bytes: 2e9 + i * 1e7,
      });
    }
  }
  const traces = columns('node', 'column', 'time_s', 'value');
  const driving = { speed: 1, available: 1, up_bps: 2e7, latency_s: 0.02, memory_free_bytes: 3e9 };
  for (let node = 1; node <= traced; node += 1)
    for (const [column, usual] of Object.entries(driving))
      for (let i = 0; i < 12; i += 1)
        push(traces, {
          node,
          column,
          time_s: (end * i) / 12,
          value: column === 'available' ? Number(i % 5 !== 3) : usual * (0.4 + random()),
        });
  const plans = {
    ...columns(
      'time_s',
      'cause',
      'adopted',
      'round_s',
      'old_round_s',
      'best_round_s',
      'cost_s',
      'text'
    ),
    nodes: columns(
      'plan',
      'node',
      'cut',
      'cut_name',
      'up_bytes_per_s',
      'down_bytes_per_s',
      'server_share',
      'predicted_s'
    ),
  };
  // The second node of the third plan is away; every third plan keeps the cuts.
  for (let plan = 0; plan < planned; plan += 1) {
    const kept = plan % 3 === 1;
    push(
      { ...plans, nodes: [] },
      {
        time_s: (end * plan) / planned,
        cause: ['first', 'change', 'devices', 'period'][plan % 4],
        adopted: !kept,
        round_s: 30 + plan,
        old_round_s: plan === 0 ? null : 40 + plan,
        best_round_s: kept ? 29 + plan : 30 + plan,
        cost_s: kept ? 12.5 : 0,
        text: '',
        nodes: null,
      }
    );
    for (let node = 1; node <= workers; node += 1) {
      if (plan === 2 && node === 2) continue;
      push(plans.nodes, {
        plan,
        node,
        cut: 5 * (1 + (node % 3)) + (node % 3 === 1 ? plan : 0),
        cut_name: names ? hostile : `layer${node % 3}`,
        up_bytes_per_s: node % 4 === 3 ? 0 : 1e6 * node,
        down_bytes_per_s: node % 4 === 3 ? 0 : 2e6 * node,
        server_share: node % 4 === 3 ? 0 : 1 / workers,
        predicted_s: 30 + plan - 0.5 * node,
      });
    }
  }
  // Each task has a download; one that was lost had begun an upload.
  const traffic = columns(
    'label',
    'artifact',
    'way',
    'class',
    'devices',
    'transfers',
    'bytes',
    'share',
    'mean_bytes',
    'least_bytes',
    'most_bytes',
    'broken_off'
  );
  const moved = (kind, transfers, each, broken = 0) =>
    push(traffic, {
      class: '',
      devices: workers,
      transfers,
      bytes: each * transfers,
      share: (each * transfers) / (4.2e6 * tasks + 3.9e6 * updates.node.length),
      mean_bytes: each,
      least_bytes: each,
      most_bytes: each * perWorker,
      broken_off: broken,
      ...kind,
    });
  const up = { label: 'upload', artifact: 'update', way: 'up' };
  const down = { label: 'download', artifact: names ? hostile : 'model', way: 'down' };
  if (!running) {
    moved(up, updates.node.length, 3.9e6, tasks - updates.node.length);
    moved(down, tasks, 4.2e6);
    moved({ ...up, class: 'jetson-nano MAXN', devices: 1 }, perWorker, 3.9e6);
    moved({ ...up, class: 'jetson-tx2 MAXN', devices: 1 }, perWorker, 3.9e6);
  }
  const last = (list) => list[list.length - 1] ?? null;
  const total = (list) => list.reduce((sum, value) => sum + (value ?? 0), 0);
  return {
    label,
    name: label.split('/').pop(),
    schedule,
    model: 'cnn-small',
    data: 'glyphs',
    fleet: `${nodes} nodes: ${workers} x jetson, 1 x server-generic`,
    seed,
    status,
    cause: '',
    scenario: [
      `name = "${label.split('/').pop()}"`,
      `seed = ${seed}`,
      '',
      '[schedule]',
      `kind = "${schedule}"`,
      '',
    ].join('\n'),
    scenario_hash: '9f2c',
    version: '0.1.0',
    world: 'CM02, no crosstraffic',
    host: { machine: 'x86_64, 2 cores', compiler: 'GCC 12.2', began: '2026-11-21T17:00:00Z' },
    virtual_time_s: end,
    remarks: learns ? [] : ['This run does not learn: there is no accuracy.'],
    figures: {
      rounds,
      tasks,
      tasks_aggregated: updates.node.length,
      tasks_failed: tasks - updates.node.length,
      samples: 900 * tasks,
      utilization: running ? null : total(nodeTable.busy_s) / (workers * end),
      bytes_down: 4.2e6 * tasks,
      bytes_up: 3.9e6 * tasks,
      energy_j: 40 * tasks,
      energy_server_j: 70 * tasks,
      lost_s: 3 * (tasks - updates.node.length),
      peak_memory_bytes: 2.1 * 2 ** 30,
      staleness_mean: 0.83,
      staleness_max: last(staleness.versions),
      coverage_min: 3,
      accuracy: last(curve.accuracy),
      accuracy_best: last(curve.accuracy),
      accuracy_area: learns ? 0.71 : null,
      energy_time_js: 40 * tasks * end,
      samples_per_j: 900 / 40,
      targets: learns
        ? [0.6, 0.9].map((accuracy) => ({
            accuracy,
            from: 'evaluation.targets of the scenario',
            ...costsTo(curve, accuracy),
          }))
        : [],
    },
    nodes: nodeTable,
    nodes_left_out: 0,
    curve,
    exits,
    aggregations,
    rounds: roundTable,
    updates,
    timeline,
    staleness,
    idle,
    readings,
    traces,
    traffic,
    plans,
  };
}

// What the first evaluation that reached an accuracy had cost.
function costsTo(curve, accuracy) {
  const i = curve.accuracy.findIndex((value) => value >= accuracy);
  const of = (value) => (i < 0 ? null : value());
  return {
    time_to_accuracy_s: of(() => curve.time_s[i]),
    bytes_to_accuracy: of(() => curve.bytes[i]),
    energy_to_accuracy_j: of(() => curve.energy_j[i]),
    energy_server_to_accuracy_j: of(() => curve.energy_j[i] * 1.5),
    energy_time_to_accuracy_js: of(() => curve.energy_j[i] * curve.time_s[i]),
  };
}

function sortBy(table, ...keys) {
  const order = Array.from({ length: Object.values(table)[0].length }, (_, i) => i);
  order.sort((a, b) => {
    for (const key of keys) {
      const difference = key(table, a) - key(table, b);
      if (difference) return difference;
    }
    return a - b;
  });
  for (const key of Object.keys(table)) table[key] = order.map((i) => table[key][i]);
}

const metric = (key, title, unit, better, more = {}) => ({
  key,
  title,
  unit,
  better,
  usual: true,
  target: null,
  note: '',
  ...more,
});

export function makeSweep({ label = 'runs/device-mixes', keys = 3, name = null } = {}) {
  const axes = [
    ['schedule.kind', ['fedavg', 'cos2p', 'fedasync']],
    ['fleet.nodes.0.count', ['1', '2', '4', '8', '16']],
    ['fleet.link', [name ?? 'wifi6', 'lte', 'ethernet-100m', '5g']],
    ['seed', ['1', '2', '3']],
  ];
  const used = keys === 1 ? [axes[1]] : [...axes.slice(0, keys), axes[3]];
  const random = generator(5);
  const points = [];
  const walk = (settings) => {
    if (settings.length < used.length) {
      for (const value of used[settings.length][1]) walk([...settings, value]);
      return;
    }
    const nodes = Number(settings[used.findIndex(([key]) => key === 'fleet.nodes.0.count')]);
    const kind = used.some(([key]) => key === 'schedule.kind')
      ? used[0][1].indexOf(settings[0])
      : 0;
    const failed = random() < 0.03;
    const time = (900 - 180 * kind) / (1 + 0.25 * nodes) + random() * 25;
    points.push({
      settings,
      status: failed ? 'failed' : 'done',
      cause: failed ? 'node jetson-nano-0: the task needs 5.1 GiB of 3.2 GiB' : '',
      values: failed
        ? [null, null, null, null]
        : [
            time,
            0.97 - 0.05 * kind - 0.01 * random() - 0.01 / nodes,
            (4e8 - 1e8 * kind) * nodes,
            1000 * nodes * (1 - 0.2 * kind),
          ],
    });
  };
  walk([]);
  const figures = [
    metric('time_to_accuracy_s', 'time to 90 %', 's', 'less', { target: 0.9 }),
    metric('accuracy', 'accuracy', 'share', 'more'),
    metric('bytes_up', 'bytes up', 'bytes', 'less', { usual: false }),
    metric('energy_j', 'energy (workers)', 'J', 'less'),
  ];
  return {
    label,
    name: label.split('/').pop(),
    version: '0.1.0',
    keys: used.map(([key]) => key),
    levels: [{ accuracy: 0.9, from: '--target' }],
    figures,
    points,
    winners: used
      .filter(([key]) => key !== 'seed')
      .map((contest) => makeWinners(contest, used, figures.filter(({ usual }) => usual))),
  };
}

// A map of winners in which every kind of verdict occurs; its numbers have nothing to do with the
// points, since the page only shows them.
function makeWinners([contest, contestants], axes, metrics) {
  const others = axes.filter(([key]) => key !== 'seed' && key !== contest);
  const random = generator(contest.length);
  const kinds = [
    { decision: 'mean', ratio: 1.83, lead: '1.83x less', low: -12, high: -8, clear: true, mark: 'clear' },
    {
      decision: 'mean',
      ratio: 1.02,
      lead: '1.02x less',
      low: -12,
      high: 3,
      clear: false,
      mark: "within the seeds' spread",
    },
    { decision: 'reach', mark: `3 of 3 seeds reach it; of ${contestants[0]} 1 of 3` },
    { decision: 'none', why: 'nobody reaches 90 %', mark: 'nobody reaches 90 %' },
  ];
  const cells = [];
  const walk = (settings) => {
    if (settings.length < others.length) {
      for (const value of others[settings.length][1]) walk([...settings, value]);
      return;
    }
    const troubled = cells.length % 3 === 1;
    cells.push({
      settings,
      entrants: contestants.map((_, c) => ({
        points: 3,
        done: troubled && c === 0 ? 2 : 3,
        failed: Number(troubled && c === 0),
        fruitless: 0,
        mostly_lost: 0,
        trouble: troubled && c === 0 ? '1 of 3 points failed: out of memory' : '',
      })),
      verdicts: metrics.map((_, m) => {
        const kind = kinds[(cells.length + m) % kinds.length];
        const winner = kind.why ? null : (cells.length + m) % contestants.length;
        const several = ['mean', 'reach'].includes(kind.decision);
        return {
          ratio: null,
          difference: kind.decision === 'mean' ? -10 : null,
          pairs: kind.decision === 'mean' ? 3 : 0,
          low: null,
          high: null,
          method: kind.low ? 't' : '',
          clear: null,
          why: '',
          lead: '',
          ...kind,
          winner,
          runner_up: several ? (winner + 1) % contestants.length : null,
          means: contestants.map(() => 100 * random()),
          counts: contestants.map(() => 3),
        };
      }),
    });
  };
  walk([]);
  return {
    contest: [contest],
    along: [],
    keys: others.map(([key]) => key),
    names: others.map(([key]) => key.split('.').at(-1)),
    contestants: contestants.map((label) => ({ label, settings: [label] })),
    metrics,
    cells,
  };
}

export function makeComparison(runs = []) {
  const name = (i) => runs[i]?.label ?? ['fedavg', 'cos2p', 'cos2p, random masks'][i];
  const seeds = [1, 2, 3, 4, 5];
  const groups = [0, 1, 2].map((g) => ({
    label: name(g),
    runs: seeds.map((seed) => `${name(g)}-${seed}`),
    seeds,
  }));
  const random = generator(9);
  const figure = (key, title, unit, better, centre, spread, more = {}) => {
    const values = groups.map((_, g) =>
      seeds.map(() => centre * (1 - 0.13 * g) + (random() - 0.5) * spread)
    );
    const mean = values.map((list) => list.reduce((sum, value) => sum + value, 0) / list.length);
    return {
      ...metric(key, title, unit, better, more),
      values,
      mean,
      ratio: mean.map((value) => value / mean[0]),
      paired: values.map((list, g) => {
        if (g === 0) return null;
        const differences = list.map((value, i) => value - values[0][i]);
        const middle = mean[g] - mean[0];
        return {
          seeds,
          differences,
          mean: middle,
          low: middle - spread * 0.4,
          high: middle + spread * 0.4,
          method: g === 1 ? 't' : 'bootstrap',
        };
      }),
    };
  };
  return {
    baseline: 0,
    level: { accuracy: 0.8, from: '--target' },
    levels: [
      { accuracy: 0.8, from: '--target', runs: 15 },
      { accuracy: 0.9, from: '--target', runs: 12 },
    ],
    groups,
    notes: ['what was learned is cnn-small, not the model whose times these are'],
    figures: [
      figure('virtual_time_s', 'virtual time', 's', 'less', 95, 6),
      figure('accuracy', 'accuracy', 'share', 'more', 0.95, 0.02),
      figure('bytes_up', 'bytes up', 'bytes', 'less', 4e8, 2e7, { usual: false }),
      figure('energy_j', 'energy (workers)', 'J', 'less', 21000, 900),
      figure('energy_time_js', 'energy (workers) x time', 'J s', 'less', 2e6, 9e4),
      figure('samples_per_j', 'samples per joule', 'samples/J', 'more', 22, 0.001),
      ...[0.8, 0.9].map((target) =>
        figure('time_to_accuracy_s', `time to ${target * 100} %`, 's', 'less', 100 * target, 3, {
          target,
        })
      ),
    ],
  };
}

// Mean curves of groups with intervals; the last group has one run, and so no interval.
export function makeBands(labels, { runs = 5, points = 20 } = {}) {
  const ends = { time_s: 260, updates: 480, bytes: 4e9, energy_j: 20000 };
  return labels.flatMap((group, g) =>
    Object.entries(ends).flatMap(([x, end]) =>
      ['accuracy', 'loss'].map((y) => {
        const share = Array.from({ length: points }, (_, i) => (i + 1) / points);
        const mean = share.map((s) =>
          y === 'accuracy' ? 0.96 - 0.8 * Math.exp(-s * (3 + 0.5 * g)) : 2.5 * Math.exp(-s * (3 + g)) + 0.1
        );
        const alone = g > 0 && g === labels.length - 1;
        const wide = (sign) => mean.map((m) => (alone ? null : m + sign * 0.04 * (y === 'loss' ? 3 : 1)));
        return {
          group,
          schedule: group,
          runs: alone ? 1 : runs,
          x,
          y,
          at: share.map((s) => s * end * (1 - 0.08 * g)),
          mean,
          low: wide(-1),
          high: wide(1),
        };
      })
    )
  );
}

export function makeFidelity(run) {
  const random = generator(3);
  const row = (node, label, measured) => {
    const off = (random() - 0.5) * 0.3;
    return {
      node,
      label,
      compared: 40,
      simulated_s: measured * (1 + off),
      measured_s: measured,
      error: Math.abs(off) + 0.02,
      bias: off,
    };
  };
  const nodes = run.nodes.name
    .slice(1, 9)
    .flatMap((name, i) => [
      row(name, 'download', 0.3 + 0.1 * i),
      row(name, 'train', 2 + i),
      row(name, 'upload', 0.8 + 0.2 * i),
    ]);
  return {
    simulated: null,
    measured: run.label,
    nodes,
    totals: ['download', 'train', 'upload'].map((label) => ({
      ...row('', label, 1.2),
      node: undefined,
      compared: 320,
    })),
    makespan: { simulated_s: 101, measured_s: 97.4, error: 0.037 },
    version: 20,
    to_version: { simulated_s: 51, measured_s: 50.2, error: 0.016 },
    remarks: ['Aggregations are not compared: the server is simulated.'],
  };
}

export function makeData({
  runs = 2,
  nodes = 16,
  activities = 2000,
  sweep = false,
  fidelity = false,
  comparison = false,
  bands = 0,
  hostileNames = false,
  live = false,
  ...more
} = {}) {
  const schedules = ['cos2p', 'fedavg', 'fedasync', 'fedbuff', 'tiers', 'random', 'cyclic'];
  const names = hostileNames ? [hostile, hostile, `"'&<b>${hostile}`] : null;
  const made = Array.from({ length: runs }, (_, i) =>
    makeRun({
      label: hostileNames ? `runs/${i}${hostile}` : `runs/${schedules[i % 7]}${i >= 7 ? i : ''}`,
      schedule: schedules[i % 7],
      seed: i + 1,
      nodes,
      activities,
      names,
      real: i === 0 ? 2 : 0,
      slow: 1 + 0.15 * i,
      ...more,
    })
  );
  const compared = comparison ? makeComparison(hostileNames ? made : []) : null;
  const groups = compared ? compared.groups.map((group) => group.label) : [];
  while (groups.length < bands) groups.push(`group ${groups.length + 1}${hostileNames ? hostile : ''}`);
  return {
    made_by: 'convoy 0.1.0',
    runs: live ? [] : made,
    sweeps: sweep
      ? [makeSweep({ ...(sweep === true ? {} : sweep), name: hostileNames ? hostile : null })]
      : [],
    comparison: compared,
    bands: bands ? makeBands(groups) : [],
    fidelity: fidelity && made.length ? [makeFidelity(made[0])] : [],
    live,
  };
}

// Options of makeData() for a page with all sections.
export const everything = { runs: 2, sweep: true, fidelity: true, comparison: true, bands: 3 };
