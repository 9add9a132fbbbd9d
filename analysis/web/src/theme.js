// Colours. Okabe and Ito's palette, which the colour-blind can tell apart; lines also differ by
// dash and symbol, areas by lightness and hatching, so that a grey print can be read as well.

const light = {
  dark: false,
  text: '#1c2430',
  soft: '#56606e',
  line: '#c9d0d8',
  grid: '#e7eaee',
  paper: '#ffffff',
  panel: '#ffffff',
  waiting: '#dde2e8',
  away: '#f6f7f8',
  hatch: 'rgba(60,70,82,0.55)',
  lost: '#b3261e',
  ink: 'rgba(255,255,255,0.75)',
  series: ['#0072b2', '#d55e00', '#009e73', '#a8558a', '#b98000', '#3a9bdc', '#5b6470'],
  compute: ['#0072b2', '#004e7a', '#5aa5d8'],
  transfer: ['#e69f00', '#f7cd7a', '#a87300'],
  aggregation: '#009e73',
  backward: '#8b4a9c',
  critical: '#111820',
  allReduce: '#c4417a',
  queue: '#7cc4ee',
  slowest: '#d55e00',
  quorum: '#a8558a',
  deadline: '#d6c600',
  memory: '#5b6470',
  energy: '#6a51a3',
};
const dark = {
  dark: true,
  text: '#e8ecf1',
  soft: '#a9b4c1',
  line: '#4a5563',
  grid: '#2c3540',
  paper: '#14181d',
  panel: '#1b2128',
  waiting: '#39424d',
  away: '#20262d',
  hatch: 'rgba(190,200,212,0.5)',
  lost: '#ff8a80',
  ink: 'rgba(10,14,18,0.6)',
  series: ['#4fa8e8', '#f5874a', '#2cc298', '#de9cc8', '#edb32e', '#9ad4f7', '#c3ccd6'],
  compute: ['#3a8fd0', '#1f6aa3', '#8cc4f0'],
  transfer: ['#f0b03a', '#f8d899', '#b98320'],
  aggregation: '#2cb48d',
  backward: '#b583c9',
  critical: '#ffffff',
  allReduce: '#f08bb4',
  queue: '#a9dbf8',
  slowest: '#f5874a',
  quorum: '#d58bbb',
  deadline: '#eee06a',
  memory: '#aab4c0',
  energy: '#a595dd',
};

export const looks = { light, dark };

const dashes = ['solid', [7, 4], [2, 3], [10, 3, 2, 3], [5, 2, 1, 2, 1, 2], [12, 4]];
const symbols = [
  'circle',
  'rect',
  'triangle',
  'diamond',
  'emptyCircle',
  'emptyRect',
  'emptyTriangle',
  'arrow', // as many as are not a multiple of the colours
];

export const seriesColour = (look, index) => look.series[index % look.series.length];
export const seriesDash = (index) => dashes[index % dashes.length];
export const seriesSymbol = (index) => symbols[index % symbols.length];

// Hatchings, as decals of ECharts.
const stripes = (rotation, gap, width) => (color) => ({
  color,
  symbol: 'rect',
  rotation,
  dashArrayX: [1, 0],
  dashArrayY: [width, gap],
  symbolSize: 1,
});
const dots = (color) => ({
  color,
  symbol: 'circle',
  symbolSize: 0.7,
  dashArrayX: [
    [5, 5],
    [0, 5, 5, 0],
  ],
  dashArrayY: [5, 0],
});
const hatchings = {
  none: () => null,
  rising: stripes(-Math.PI / 4, 5, 1.4),
  falling: stripes(Math.PI / 4, 5, 1.4),
  across: stripes(0, 4, 1.3),
  dense: stripes(-Math.PI / 4, 3, 1.3),
  dots,
};

// One colour and hatching for one thing, in every chart and whatever else occurs in a run: states of
// nodes, causes of waiting, parts of a critical path. All computing has the colours of `compute`, all
// communication those of `transfer`; time in which nothing is asked of a node is as pale as waiting.
export function thingStyles(look) {
  const computing = area(look, look.compute[0], 'none');
  const link = area(look, look.transfer[0], 'rising');
  const away = area(look, look.away, 'dense', look.hatch);
  const pale = (hatching) => area(look, look.waiting, hatching, look.hatch);
  return {
    computing,
    compute: computing,
    communicating: link,
    link,
    bytes_out: link,
    bytes_in: area(look, look.transfer[1], 'none'),
    away,
    outage: away,
    queue: area(look, look.queue, 'dots'),
    slowest_node: area(look, look.slowest, 'falling'),
    quorum: area(look, look.quorum, 'across'),
    deadline: area(look, look.deadline, 'rising'),
    aggregation: area(look, look.aggregation, 'across'),
    memory: area(look, look.memory, 'none'),
    failed: area(look, look.lost, 'falling'),
    lost: area(look, look.lost, 'falling'),
    waiting: pale('none'),
    other: pale('dots'),
    not_selected: pale('rising'),
    run_end: pale('across'),
    peak_memory_bytes: area(look, look.memory, 'none'),
    energy_j: area(look, look.energy, 'none'),
    updates: area(look, look.soft, 'none'),
  };
}

// What the page does not know by name has a colour of its own name, not of its place.
export function thingStyle(look, name) {
  const styles = thingStyles(look);
  return Object.hasOwn(styles, name) ? styles[name] : nthArea(look, numberOf(name));
}

const numberOf = (name) =>
  [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7);

// Styles of activities, by label and kind.
const usual = {
  compute: {
    train: [0, 'none'],
    mask: [1, 'dots'],
    encode: [2, 'dots'],
    adjust: [1, 'falling'],
  },
  transfer: { download: [1, 'none'], upload: [0, 'rising'] },
};
const otherHatchings = ['falling', 'across', 'dense', 'dots'];

export function activityStyle(look, label, kind) {
  if (kind !== 'transfer' && label === 'aggregate') return thingStyles(look).aggregation;
  const family = kind === 'transfer' ? 'transfer' : 'compute';
  const known = Object.hasOwn(usual[family], label) ? usual[family][label] : null;
  const number = numberOf(label);
  const [place, hatching] = known ?? [number % 3, otherHatchings[Math.floor(number / 3) % 4]];
  return area(look, look[family][place], hatching);
}

export function area(
  look,
  color,
  hatching,
  ink = look.dark ? 'rgba(0,0,0,0.45)' : 'rgba(0,0,0,0.4)'
) {
  const decal = hatchings[hatching](ink);
  return decal ? { color, decal } : { color };
}

// Black or white, whichever stands out from a colour "#rrggbb".
export function inkOn(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return light > 0.18 ? '#000000' : '#ffffff';
}

export function nthArea(look, index) {
  const names = ['none', 'rising', 'dots', 'falling', 'across', 'dense'];
  return area(look, seriesColour(look, index), names[index % names.length]);
}

// Viridis: its lightness rises evenly, so it survives grey and colour blindness.
export const heat = ['#440154', '#414487', '#2a788e', '#22a884', '#7ad151', '#fde725'];

// --- which of the two ---------------------------------------------------------------------------

const key = 'convoy-theme';
const listeners = new Set();

function remembered() {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // e.g. a file opened where storage is forbidden
  }
}

const wanted = window.matchMedia('(prefers-color-scheme: dark)');
let chosen = remembered();

export const isDark = () => (chosen ? chosen === 'dark' : wanted.matches);
export const look = () => (isDark() ? dark : light);

export function setDark(dark) {
  chosen = dark ? 'dark' : 'light';
  try {
    localStorage.setItem(key, chosen);
  } catch {
    // not remembered, then
  }
  apply();
}

export function apply() {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
  for (const listener of listeners) listener();
}
// Gives a function that ends it.
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
wanted.addEventListener('change', apply);
