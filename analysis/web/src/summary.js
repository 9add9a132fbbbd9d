// The table at the top: a row a metric, a column a run.
import { el, more, table, wholeTable } from './dom.js';
import { apart, count, known, number, percent } from './format.js';

const figure = (key) => (run) => run.figures[key];
const unlessNone = (key) => (run) => run.figures[key] || null;

// {title, of: value of a run, unit}; without a unit the value is a text or an element. `server`:
// the server's share, written beside. What is not `usual` stands behind a summary.
const usual = [
  { title: 'status', of: (run) => el('span', { class: `chip ${run.status}` }, run.status) },
  { title: 'schedule', of: (run) => run.schedule },
  { title: 'seed', of: (run) => String(run.seed) },
  { title: 'virtual time', of: (run) => run.virtual_time_s, unit: 's' },
  { title: 'rounds (aggregations)', of: figure('rounds'), unit: 'count' },
  { title: 'node updates', of: figure('tasks'), unit: 'count' },
  { title: '… failed', of: figure('tasks_failed'), unit: 'count' },
  { title: 'utilization', of: figure('utilization'), unit: 'share' },
  { title: 'bytes', of: bothWays, unit: 'bytes' },
  { title: 'energy (workers)', of: figure('energy_j'), unit: 'J', server: figure('energy_server_j') },
  { title: 'energy (workers) × time', of: figure('energy_time_js'), unit: 'J s' },
  { title: 'samples per joule (workers)', of: figure('samples_per_j'), unit: 'samples/J' },
  { title: 'accuracy, last', of: figure('accuracy'), unit: 'share' },
  { title: 'accuracy, best', of: figure('accuracy_best'), unit: 'share' },
];
const others = [
  { title: 'accuracy, mean over time', of: figure('accuracy_area'), unit: 'share' },
  { title: 'bytes down', of: figure('bytes_down'), unit: 'bytes' },
  { title: 'bytes up', of: figure('bytes_up'), unit: 'bytes' },
  { title: 'node updates aggregated', of: figure('tasks_aggregated'), unit: 'count' },
  { title: '… dropped after they came in', of: unlessNone('tasks_dropped'), unit: 'count' },
  { title: 'time lost in failed tasks', of: unlessNone('lost_s'), unit: 's' },
  { title: 'samples trained', of: figure('samples'), unit: 'count' },
  { title: 'peak memory of a worker', of: figure('peak_memory_bytes'), unit: 'bytes' },
  { title: 'staleness, mean', of: figure('staleness_mean'), unit: 'mean' },
  { title: 'staleness, most', of: figure('staleness_max'), unit: 'count' },
  { title: 'plans made', of: plansMade },
  { title: 'least coverage of a parameter', of: figure('coverage_min'), unit: 'count' },
];

// Of a split schedule: new cuts or shares, and cuts that were kept.
function plansMade({ plans }) {
  const made = plans?.time_s.length ?? 0;
  if (!made) return null;
  const kept = plans.adopted.filter((each) => each === false).length;
  return kept ? `${count(made)}, ${count(kept)} of them kept the cuts` : count(made);
}

function bothWays({ figures: { bytes_down: down, bytes_up: up } }) {
  return known(down) && known(up) ? down + up : null;
}

export const targetsOf = (runs) =>
  [...new Set(runs.flatMap((run) => (run.figures.targets ?? []).map((each) => each.accuracy)))].sort(
    (a, b) => a - b
  );

// What it took to reach an accuracy.
function targetLines(accuracy) {
  const of = (key) => (run) =>
    run.figures.targets?.find((target) => target.accuracy === accuracy)?.[key] ?? null;
  const line = (what, key, unit, more = {}) => ({
    title: `${what} to ${percent(accuracy)}`,
    of: of(key),
    unit,
    always: true,
    ...more,
  });
  return {
    usual: [
      line('time', 'time_to_accuracy_s', 's'),
      line('bytes', 'bytes_to_accuracy', 'bytes'),
      line('energy (workers)', 'energy_to_accuracy_j', 'J', {
        server: of('energy_server_to_accuracy_j'),
      }),
    ],
    others: [line('energy (workers) × time', 'energy_time_to_accuracy_js', 'J s')],
  };
}

// All of a row in one unit and with as many digits as tell its values apart.
function cells({ of, unit, server }, runs) {
  const values = runs.map(of);
  if (unit === undefined) return values;
  if (unit === 'mean') return values.map((value) => number(value, 3));
  const besides = server ? runs.map(server) : [];
  const text = apart([values, besides], unit);
  return values.map((value, i) =>
    known(besides[i])
      ? el(
          'div',
          { class: 'lines' },
          el('b', {}, text(value)),
          el('span', {}, `server ${text(besides[i])}`)
        )
      : text(value)
  );
}

const rowsOf = (lines, runs) =>
  lines
    .filter((line) => line.always || runs.some((run) => known(line.of(run))))
    .map((line) => [line.title, ...cells(line, runs)]);

const opened = {};

export function summary(runs) {
  const targets = targetsOf(runs).map(targetLines);
  const head = ['metric', ...runs.map((run) => run.label)];
  const main = rowsOf([...usual, ...targets.flatMap((each) => each.usual)], runs);
  const rest = rowsOf([...others, ...targets.flatMap((each) => each.others)], runs);
  return [
    wholeTable('Summary of the runs', head, main),
    rest.length
      ? more('Further metrics', wholeTable('Further metrics of the runs', head, rest), opened)
      : null,
    targetNote(runs),
    ...runs.flatMap(remarks),
  ].filter(known);
}

// Which accuracies runs are timed to, and why.
function targetNote(runs) {
  const all = new Map(
    runs.flatMap((run) => (run.figures.targets ?? []).map((each) => [each.accuracy, each.from]))
  );
  return all.size
    ? el(
        'p',
        { class: 'note' },
        `Accuracies to be reached: ${[...all]
          .map(([accuracy, from]) => `${percent(accuracy)} (${from})`)
          .join(', ')}. A run that did not reach one has “–”.`
      )
    : null;
}

function remarks(run) {
  return [
    run.cause
      ? el('p', { class: 'remark bad' }, `${run.label} ${run.status}: ${run.cause}`)
      : null,
    run.nodes_left_out > 0
      ? el(
          'p',
          { class: 'remark' },
          `${run.label}: ${count(run.nodes_left_out)} nodes are left out of everything by node.`
        )
      : null,
    ...run.remarks.map((remark) => el('p', { class: 'remark' }, `${run.label}: ${remark}`)),
  ];
}

const fact = (key, value) => {
  if (!known(value)) return '–';
  const time = key.endsWith('_unix_s') ? new Date(1000 * Number(value)) : null;
  return time && !Number.isNaN(time.getTime()) ? time.toISOString().replace('.000Z', ' UTC') : value;
};

export function scenario(runs) {
  const facts = [
    ['name', (run) => run.name],
    ['schedule', (run) => run.schedule],
    ['seed', (run) => String(run.seed)],
    ['hash of the scenario', (run) => run.scenario_hash],
    ['Convoy', (run) => run.version],
    ['network model', (run) => run.world],
    ...[...new Set(runs.flatMap((run) => Object.keys(run.host)))].map((key) => [
      key.replace(/_unix_s$/, ''),
      (run) => fact(key, run.host[key]),
    ]),
  ];
  return [
    table(
      'Build and host of the runs',
      ['fact', ...runs.map((run) => run.label)],
      facts.map(([name, text]) => [name, ...runs.map(text)]),
      { texts: 99, tall: true }
    ),
    ...runs.map((run) =>
      el(
        'details',
        {},
        el('summary', {}, `Scenario of ${run.label} (TOML)`),
        el(
          'pre',
          { tabindex: '0', role: 'region', 'aria-label': `Scenario of ${run.label}` },
          run.scenario
        )
      )
    ),
  ];
}
