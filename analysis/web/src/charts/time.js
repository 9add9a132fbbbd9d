// Where the time went, node by node, and why nodes did not compute.
import { cause, known } from '../format.js';
import { nodeBars } from '../nodes.js';
import { thingStyle, thingStyles } from '../theme.js';

const states = {
  computing: 'busy_s',
  communicating: 'communicating_s',
  waiting: 'waiting_s',
  away: 'away_s',
};

const losses = (run) => run.nodes.lost_s.some((lost) => lost > 0);

export function time(page) {
  return nodeBars(page, {
    id: 'time',
    title: 'Computing, communicating, waiting, away',
    unit: 's',
    axis: 'virtual time',
    note: () =>
      'Of each node. Computing and communicating can overlap, so a bar can be longer than the run.' +
      (losses(page.run) ? ' What was lost went into tasks that failed or were given up.' : ''),
    missing: () => (page.run?.nodes.busy_s.some(known) ? '' : 'Known when the run is over.'),
    parts: (run) =>
      Object.entries(states).map(([key, column]) => ({
        key,
        name: key,
        values: run.nodes[column],
      })),
    markers: (run) =>
      losses(run) ? { key: 'lost', name: 'lost', values: run.nodes.lost_s } : null,
    style: thingStyles,
  });
}

// In an order that does not depend on the runs, so that bars can be compared.
const causeOrder = [
  'link',
  'queue',
  'slowest_node',
  'quorum',
  'deadline',
  'aggregation',
  'outage',
  'memory',
  'failed',
  'not_selected',
  'run_end',
];
export function idleCauses(runs) {
  const found = [...new Set(runs.flatMap((run) => run.idle.cause))];
  const place = (why) => (causeOrder.includes(why) ? causeOrder.indexOf(why) : causeOrder.length);
  return found.sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

export function idle(page) {
  const causes = (run) => idleCauses([run]);
  return nodeBars(page, {
    id: 'idle',
    title: 'Why nodes did not compute',
    unit: 's',
    axis: 'idle time',
    workers: true,
    note: () =>
      'All time in which a worker did not compute, by its cause. Link: its own transfers; slowest ' +
      'node, quorum: its update was in, and the round waited for others.',
    missing: () => (page.run?.idle.node.length ? '' : 'Known when the run is over.'),
    parts(run) {
      const sums = new Map();
      run.idle.node.forEach((node, i) => {
        const key = `${node} ${run.idle.cause[i]}`;
        sums.set(key, (sums.get(key) ?? 0) + run.idle.s[i]);
      });
      return causes(run).map((why) => ({
        key: why,
        name: cause(why),
        values: run.nodes.id.map((node) => sums.get(`${node} ${why}`) ?? 0),
      }));
    },
    style: (look) => Object.fromEntries(causes(page.run).map((why) => [why, thingStyle(look, why)])),
  });
}
