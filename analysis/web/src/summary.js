// The table at the top: a row a figure, a column a run.
import { el, table } from './dom.js';
import { count, known, number, scale } from './format.js';

// [title, value of a run, unit]; without a unit the value is a text or an element.
const lines = [
  ['status', (run) => el('span', { class: `chip ${run.status}` }, run.status)],
  ['schedule', (run) => run.schedule],
  ['seed', (run) => String(run.seed)],
  ['virtual time', (run) => run.virtual_time_s, 's'],
  ['rounds (aggregations)', (run) => run.figures.rounds, 'count'],
  ['node updates', (run) => run.figures.tasks, 'count'],
  ['… aggregated', (run) => run.figures.tasks_aggregated, 'count'],
  ['… dropped after they came in', (run) => run.figures.tasks_dropped || null, 'count'],
  ['… failed', (run) => run.figures.tasks_failed, 'count'],
  ['time lost in failed tasks', (run) => run.figures.lost_s || null, 's'],
  ['samples trained', (run) => run.figures.samples, 'count'],
  ['utilization', (run) => run.figures.utilization, 'share'],
  ['bytes down', (run) => run.figures.bytes_down, 'bytes'],
  ['bytes up', (run) => run.figures.bytes_up, 'bytes'],
  ['energy (workers)', (run) => run.figures.energy_j, 'J'],
  ['energy (server)', (run) => run.figures.energy_server_j, 'J'],
  ['peak memory of a worker', (run) => run.figures.peak_memory_bytes, 'bytes'],
  ['staleness, mean', (run) => run.figures.staleness_mean, 'mean'],
  ['staleness, most', (run) => run.figures.staleness_max, 'count'],
  ['least coverage of a parameter', (run) => run.figures.coverage_min, 'count'],
  ['accuracy, last', (run) => run.figures.accuracy, 'share'],
  ['accuracy, best', (run) => run.figures.accuracy_best, 'share'],
  ['accuracy, mean over time', (run) => run.figures.accuracy_area, 'share'],
  ['target accuracy', (run) => run.figures.target_accuracy, 'share'],
  ['… from', (run) => run.figures.target_from],
  ['time to the target', (run) => run.figures.time_to_accuracy_s, 's'],
  ['bytes to the target', (run) => run.figures.bytes_to_accuracy, 'bytes'],
  ['energy (workers) to the target', (run) => run.figures.energy_to_accuracy_j, 'J'],
];

// All of a row in one unit, so that they can be compared at a glance.
function texts(values, unit) {
  if (unit === undefined) return values;
  if (unit === 'count') return values.map((value) => count(value));
  if (unit === 'mean') return values.map((value) => number(value, 3));
  const common = scale(unit, Math.max(...values.map((value) => value ?? 0)));
  return values.map((value) => common.text(value));
}

export function summary(runs) {
  const rows = lines
    .map(([title, value, unit]) => [title, runs.map(value), unit])
    .filter(([, values]) => values.some(known))
    .map(([title, values, unit]) => [title, ...texts(values, unit)]);
  return [
    table('Summary of the runs', ['figure', ...runs.map((run) => run.label)], rows, { tall: true }),
    ...runs
      .flatMap((run) => [
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
      ])
      .filter(known),
  ];
}

export function scenario(runs) {
  const facts = [
    ['name', (run) => run.name],
    ['schedule', (run) => run.schedule],
    ['seed', (run) => String(run.seed)],
    ['hash of the scenario', (run) => run.scenario_hash],
    ['Convoy', (run) => run.version],
    ['network model', (run) => run.world],
    ...[...new Set(runs.flatMap((run) => Object.keys(run.host)))].map((key) => [
      key,
      (run) => run.host[key] ?? '–',
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
