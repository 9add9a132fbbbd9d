// What leaves a device, and what comes to it: the transfers of a run by their kind.
import { el, more, wholeTable } from './dom.js';
import { bytes, count, percent, quantities } from './format.js';

const ways = {
  up: 'leaves for the server',
  down: 'comes from the server',
  between: 'leaves for another device',
};

const opened = {};

export function leaving(run) {
  return [el('h3', {}, 'What leaves a device, and what comes to it'), ...parts(run)];
}

function parts(run) {
  const rows = rowsOf(run.traffic);
  if (!rows.length) {
    const why =
      run.status === 'running'
        ? 'Known when the run is over.'
        : 'Nothing was sent, or the store was written before this was recorded.';
    return [el('p', { class: 'note' }, why)];
  }
  const classes = rows.filter((row) => row.class);
  return [
    el(
      'p',
      { class: 'note' },
      'By the name of what is sent and the transfer that sends it. Bytes and shares are of complete ' +
        'transfers; what one that was broken off had sent is in none of them. Of a device: the ' +
        'least and the most of those that had such a transfer.'
    ),
    whole('What leaves a device, and what comes to it', rows.filter((row) => !row.class)),
    classes.length
      ? more('By class of device', whole('What leaves a device, by class', classes), opened)
      : null,
  ].filter(Boolean);
}

function rowsOf(traffic) {
  const keys = Object.keys(traffic ?? {});
  return (traffic?.label ?? []).map((_, i) =>
    Object.fromEntries(keys.map((key) => [key, traffic[key][i]]))
  );
}

const whole = (caption, rows) =>
  wholeTable(caption, ['what', 'way', 'times', 'bytes', 'share', 'each', 'of a device'], rows.map(cells));

function cells(row) {
  const name = `${row.artifact} (${row.label})`;
  return [
    row.class ? `${name}, ${row.class}` : name,
    ways[row.way] ?? row.way,
    row.broken_off
      ? el(
          'div',
          { class: 'lines' },
          el('b', {}, count(row.transfers)),
          el('span', {}, `${count(row.broken_off)} broken off`)
        )
      : count(row.transfers),
    bytes(row.bytes),
    percent(row.share),
    row.transfers ? bytes(row.mean_bytes) : '–',
    range(row),
  ];
}

function range({ least_bytes: least, most_bytes: most, devices }) {
  const { texts, unit } = quantities([least, most], 'bytes');
  const each = least === most ? bytes(most) : `${texts.join(' to ')} ${unit}`;
  return `${each} (${count(devices)})`;
}
