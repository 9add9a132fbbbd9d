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
  compute: ['#0072b2', '#009e73', '#a8558a', '#5b6470', '#004e7a', '#00664a'],
  transfer: ['#7cc4ee', '#e69f00', '#d6c600', '#f0a58a', '#c9a3dd', '#9fd3c0'],
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
  compute: ['#3a8fd0', '#2cb48d', '#d58bbb', '#aab4c0', '#7fb2e5', '#7fd6bd'],
  transfer: ['#a9dbf8', '#f0b03a', '#eee06a', '#f6bfa9', '#d9c2ea', '#bfe8da'],
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

// Label of an activity -> index into its kind's colours, and hatching. Others take what is left.
const usual = {
  train: ['compute', 0, 'none'],
  aggregate: ['compute', 1, 'none'],
  mask: ['compute', 2, 'dots'],
  download: ['transfer', 0, 'none'],
  upload: ['transfer', 1, 'rising'],
};
export function activityStyles(look, labels, kinds) {
  const taken = { compute: 3, transfer: 2 };
  const hatchings = ['falling', 'across', 'dots', 'none'];
  return labels.map((label, index) => {
    const kind = kinds[index] === 'transfer' ? 'transfer' : 'compute';
    const own = Object.hasOwn(usual, label) && usual[label][0] === kind ? usual[label] : null;
    const place = own ? own[1] : taken[kind]++;
    const hatching = own ? own[2] : hatchings[place % hatchings.length];
    return area(look, look[kind][place % look[kind].length], hatching);
  });
}

// The states of a node, and the parts of a critical path, in the same colours as the activities.
export function stateStyles(look) {
  return {
    computing: area(look, look.compute[0], 'none'),
    communicating: area(look, look.transfer[1], 'rising'),
    waiting: area(look, look.waiting, 'none'),
    away: area(look, look.away, 'dense', look.hatch),
    compute: area(look, look.compute[0], 'none'),
    link: area(look, look.transfer[1], 'rising'),
    queue: area(look, look.transfer[0], 'dots'),
    outage: area(look, look.away, 'dense', look.hatch),
    aggregation: area(look, look.compute[1], 'across'),
    other: area(look, look.waiting, 'none'),
  };
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
export const onTheme = (listener) => listeners.add(listener);
wanted.addEventListener('change', apply);
