// The table at the top: a row a figure, a column a run.
import { el, table } from './dom.js';
import { count, known, number, quantity, seconds } from './format.js';

const share = (value) => quantity(value, 'share');
const size = (value) => quantity(value, 'bytes');

// [title, text of a run]
const lines = [
  ['status', (run) => el('span', { class: `chip ${run.status}` }, run.status)],
  ['schedule', (run) => run.schedule],
  ['seed', (run) => String(run.seed)],
  ['virtual time', (run) => seconds(run.virtual_time_s)],
  ['rounds (aggregations)', (run) => count(run.figures.rounds)],
  ['node updates', (run) => count(run.figures.tasks)],
  ['… aggregated', (run) => count(run.figures.tasks_aggregated)],
  ['… failed', (run) => count(run.figures.tasks_failed)],
  ['samples trained', (run) => count(run.figures.samples)],
  ['utilization', (run) => share(run.figures.utilization)],
  ['bytes down', (run) => size(run.figures.bytes_down)],
  ['bytes up', (run) => size(run.figures.bytes_up)],
  ['energy', (run) => quantity(run.figures.energy_j, 'J')],
  ['peak memory of a worker', (run) => size(run.figures.peak_memory_bytes)],
  ['staleness, mean', (run) => number(run.figures.staleness_mean, 3)],
  ['staleness, most', (run) => number(run.figures.staleness_max)],
  ['least coverage of a parameter', (run) => number(run.figures.coverage_min)],
  ['accuracy, last', (run) => share(run.figures.accuracy)],
  ['accuracy, best', (run) => share(run.figures.accuracy_best)],
  ['accuracy, mean over time', (run) => share(run.figures.accuracy_area)],
  ['target accuracy', (run) => share(run.figures.target_accuracy)],
  ['time to the target', (run) => seconds(run.figures.time_to_accuracy_s)],
  ['bytes to the target', (run) => size(run.figures.bytes_to_accuracy)],
  ['energy to the target', (run) => quantity(run.figures.energy_to_accuracy_j, 'J')],
];

export function summary(runs) {
  const rows = lines.map(([title, text]) => [title, ...runs.map(text)])
    .filter((row) => row.slice(1).some((text) => text !== '–'));
  return [
    table('Summary of the runs', ['', ...runs.map((run) => run.label)], rows),
    ...runs.flatMap((run) => [
      run.cause ? el('p', { class: 'remark bad' }, `${run.label} ${run.status}: ${run.cause}`) : null,
      run.nodes_left_out > 0 ? el('p', { class: 'remark' },
        `${run.label}: ${count(run.nodes_left_out)} nodes are left out of everything by node.`) : null,
      ...run.remarks.map((remark) => el('p', { class: 'remark' }, `${run.label}: ${remark}`)),
    ]).filter(known),
  ];
}

export function scenario(run) {
  const facts = [
    ['name', run.name], ['schedule', run.schedule], ['seed', String(run.seed)], ['hash of the scenario', run.scenario_hash],
    ['Convoy', run.version], ['network model', run.world], ...Object.entries(run.host),
  ];
  return [
    el('h3', {}, run.label),
    table(`Build and host of ${run.label}`, ['fact', 'value'], facts, { numbers: false }),
    el('details', {}, el('summary', {}, 'Scenario (TOML)'),
      el('pre', { tabindex: '0', 'aria-label': `Scenario of ${run.label}` }, run.scenario)),
  ];
}
