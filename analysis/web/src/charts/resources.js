// Memory against capacity, bytes and energy of each node.
import { known, percent } from '../format.js';
import { nodeBars } from '../nodes.js';
import { thingStyles } from '../theme.js';

const overOnly = 'Known when the run is over.';

export function memory(page) {
  return nodeBars(page, {
    id: 'memory',
    title: 'Peak memory against capacity',
    unit: 'bytes',
    axis: 'memory',
    stacked: false,
    workers: true,
    note: () =>
      'The most that tasks needed at once on each worker, against what they may use; its share is ' +
      'written beside.',
    missing: () => (page.run?.nodes.peak_memory_bytes.some(known) ? '' : overOnly),
    parts: (run) => [
      { key: 'peak_memory_bytes', name: 'peak', values: run.nodes.peak_memory_bytes },
    ],
    markers: (run) => ({ key: 'memory_bytes', name: 'capacity', values: run.nodes.memory_bytes }),
    style: thingStyles,
    label: (run, i) =>
      known(run.nodes.peak_memory_bytes[i]) && run.nodes.memory_bytes[i] > 0
        ? percent(run.nodes.peak_memory_bytes[i] / run.nodes.memory_bytes[i])
        : '',
  });
}

export function traffic(page) {
  return nodeBars(page, {
    id: 'bytes',
    title: 'Bytes of each node',
    unit: 'bytes',
    axis: 'bytes',
    note: () => 'What each node received and sent.',
    missing: () => (page.run?.nodes.bytes_in.some(known) ? '' : overOnly),
    parts: (run) => [
      { key: 'bytes_in', name: 'received', values: run.nodes.bytes_in },
      { key: 'bytes_out', name: 'sent', values: run.nodes.bytes_out },
    ],
    style: thingStyles,
  });
}

export function energy(page) {
  return nodeBars(page, {
    id: 'energy',
    title: 'Energy of each node',
    unit: 'J',
    axis: 'energy',
    note: () =>
      'All that each node drew over the run: computing, links, idle while present. The energy of ' +
      "a run is that of its workers; the server's, whose power is that of its device, stands " +
      'beside it. Measured where a trace gives the power, else by the profiles of devices and ' +
      'links.',
    missing: () =>
      page.run?.nodes.energy_j.some(known)
        ? ''
        : 'No energy is known: the run is not over, or no device profile has a power.',
    parts: (run) => [{ key: 'energy_j', name: 'energy', values: run.nodes.energy_j }],
    style: thingStyles,
  });
}
