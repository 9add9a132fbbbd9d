// Metrics for people. The store has seconds, bytes, joules and shares of 1.

// For each unit: [at least so much of it, divisor, name].
const scales = {
  s: [
    [3 * 86400, 86400, 'd'],
    [3 * 3600, 3600, 'h'],
    [300, 60, 'min'],
    [1, 1, 's'],
    [1e-3, 1e-3, 'ms'],
    [1e-6, 1e-6, 'µs'],
    [0, 1e-9, 'ns'],
  ],
  bytes: [
    [2 ** 40, 2 ** 40, 'TiB'],
    [2 ** 30, 2 ** 30, 'GiB'],
    [2 ** 20, 2 ** 20, 'MiB'],
    [2 ** 10, 2 ** 10, 'KiB'],
    [0, 1, 'B'],
  ],
  J: [
    [1e6, 1e6, 'MJ'],
    [1e3, 1e3, 'kJ'],
    [1, 1, 'J'],
    [1e-3, 1e-3, 'mJ'],
    [0, 1e-6, 'µJ'],
  ],
  'J s': [
    [1e9, 1e9, 'GJ s'],
    [1e6, 1e6, 'MJ s'],
    [1e3, 1e3, 'kJ s'],
    [1, 1, 'J s'],
    [0, 1e-3, 'mJ s'],
  ],
  'samples/J': [[0, 1, 'samples/J']],
  'bit/s': [
    [1e9, 1e9, 'Gbit/s'],
    [1e6, 1e6, 'Mbit/s'],
    [1e3, 1e3, 'kbit/s'],
    [0, 1, 'bit/s'],
  ],
  share: [[0, 0.01, '%']],
  count: [[0, 1, '']],
};

// How to write values of a unit up to `max`: {name, of(value): scaled, text(value)}.
export function scale(unit, max) {
  const steps = scales[unit] ?? [[0, 1, unit]];
  const most = Math.abs(max) || 0;
  const size = isNothing(most, steps) ? 0 : most;
  const [, divisor, name] =
    size === 0 ? zeroStep(unit, steps) : steps.find(([from]) => size >= from);
  return {
    name,
    of: (value) => (value === null || value === undefined ? null : value / divisor),
    text: (value, digits = 3) =>
      known(value)
        ? withUnit(number(isNothing(value, steps) ? 0 : value / divisor, digits), name)
        : '–',
  };
}

// What is not a hundredth of the smallest unit is nothing: virtual times carry the rounding of
// clocks, and nobody waits for 1e-12 s.
function isNothing(value, steps) {
  return steps.length > 1 && Math.abs(value) < steps[steps.length - 1][1] / 100;
}

function zeroStep(unit, steps) {
  return steps.find(([, divisor]) => divisor === 1) ?? steps[steps.length - 1];
}

export const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

const withUnit = (text, name) => (name === '' ? text : `${text} ${name}`);

export function number(value, digits = 4) {
  if (!known(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return minus(value.toExponential(digits > 5 ? digits - 1 : 2));
  const decimals = Math.max(0, Math.min(6, digits - 1 - Math.floor(Math.log10(size))));
  return minus(
    value.toLocaleString('en-US', {
      maximumFractionDigits: Number.isInteger(value) ? 0 : decimals,
    })
  );
}

const minus = (text) => text.replace('-', '−');

// One value in the unit that suits it: 1.92 s, 29.5 MiB, 95.2 %.
export function quantity(value, unit) {
  if (!known(value)) return '–';
  if (unit === 'share') return `${number(value * 100, 3)} %`;
  return scale(unit, value).text(value);
}

// Several in the unit of the largest, e.g. the ends of an interval.
export function quantities(values, unit) {
  const common = scale(unit, Math.max(0, ...values.filter(known).map(Math.abs)));
  const most = Math.max(0, ...values.filter(known).map((value) => Math.abs(common.of(value))));
  const digits = most > 0 ? Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(most)))) : 0;
  const texts = values.map((value) =>
    known(value) ? minus(common.of(value).toFixed(digits)) : '–'
  );
  return { texts, unit: common.name };
}

// How to write the values of a row: in the unit of the largest, with as many digits as tell the
// different ones of each list apart, at most four more than usual. Gives text(value), and as
// text.plain(value) the number without its unit.
export function apart(lists, unit) {
  const all = lists.map((list) => list.filter(known));
  if (unit === 'count' && all.flat().every(Number.isInteger))
    return Object.assign((value) => count(value), { plain: count });
  const common = scale(unit, largest(all));
  const told = (digits) =>
    all.every(
      (list) =>
        new Set(list).size === new Set(list.map((value) => common.text(value, digits))).size
    );
  const digits = [3, 4, 5, 6].find(told) ?? 7;
  const text = (value) => common.text(value, digits);
  text.plain = (value) => number(common.of(value), digits);
  return text;
}

// A point in time, fine enough to tell neighbours apart.
export const moment = (value) => scale('s', value).text(value, 7);
export const seconds = (value) => quantity(value, 's');
export const bytes = (value) => quantity(value, 'bytes');
export const percent = (value) => quantity(value, 'share');
export const count = (value) =>
  Number.isInteger(value) && Math.abs(value) < 1e15
    ? minus(value.toLocaleString('en-US'))
    : number(value, 12);
// The unit of a column of the store, for heads of tables: values there are not scaled.
export const storeUnit = (unit) => ({ bytes: 'B', share: '', count: '' })[unit] ?? unit;

export const axisName = (name, unit) => (unit ? `${name} (${unit})` : name);

export function largest(lists) {
  let most = 0;
  for (const list of lists)
    for (const value of list) if (known(value) && Math.abs(value) > most) most = Math.abs(value);
  return most;
}

const closings = {
  all: 'all updates were there',
  quorum: 'the quorum was there',
  deadline: 'the deadline came',
};
// "out_of_memory" for people.
export const cause = (name) => String(name).replaceAll('_', ' ');
export const closedBy = (how) => closings[how] ?? cause(how);
