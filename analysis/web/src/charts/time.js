// Where the time went, node by node, and what was waited for.
import { cause, known } from '../format.js';
import { nodeBars } from '../nodes.js';
import { nthArea, stateStyles } from '../theme.js';

const states = {
  computing: 'busy_s',
  communicating: 'communicating_s',
  waiting: 'waiting_s',
  away: 'away_s',
};

export function time(page) {
  return nodeBars(page, {
    id: 'time',
    title: 'Computing, communicating, waiting, away',
    unit: 's',
    axis: 'virtual time',
    note: () =>
      'Of each node. Computing and communicating can overlap, so a bar can be longer than the run.',
    missing: () => (page.run?.nodes.busy_s.some(known) ? '' : 'Known when the run is over.'),
    parts: (run) =>
      Object.entries(states).map(([key, column]) => ({
        key,
        name: key,
        values: run.nodes[column],
      })),
    style: stateStyles,
  });
}

export function idle(page) {
  const causes = (run) => [...new Set(run.idle.cause)];
  return nodeBars(page, {
    id: 'idle',
    title: 'What was waited for',
    unit: 's',
    axis: 'waiting time',
    note: () => 'The waiting of each node, by its cause.',
    missing: () =>
      page.run?.idle.node.length
        ? ''
        : 'The causes of waiting are not known: they need the ' +
          'activities of a run that is over, or nobody waited.',
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
    style: (look) => Object.fromEntries(causes(page.run).map((why, i) => [why, nthArea(look, i)])),
  });
}
