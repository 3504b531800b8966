"""The style of the page, beside that of NiceGUI."""

STYLE = """
main { max-width: 84rem; margin: 0 auto; padding: 0 1rem 2rem; width: 100%; }
h1 { font-size: 1.6rem; line-height: 1.3; margin: .5rem 0; font-weight: 600; }
h2 { font-size: 1.05rem; line-height: 1.3; margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: minmax(16rem, 22rem) minmax(0, 1fr); gap: 1rem; align-items: start; }
.form, .part, .options, .panel { display: flex; flex-direction: column; }
.form { gap: .75rem; }
.part, .panel, .comparison { gap: .4rem; align-items: stretch; width: 100%; }
.panel, .options { min-width: 0; }
.nicegui-code { max-width: 100%; }
.nicegui-code pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.body--dark .q-btn--outline, .body--dark .q-field { --q-primary: #7cc4f2; }
.upload { width: 100%; max-height: 9rem; }
.note { font-size: .85rem; opacity: .85; overflow-wrap: anywhere; }
.fault { color: #a83200; white-space: pre-line; overflow-wrap: anywhere; }
.body--dark .fault { color: #ff9466; }
.results { display: flex; flex-direction: column; gap: 1rem; min-width: 0; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 1rem; }
.picture, .stage img { display: block; width: 100%; height: auto; image-rendering: pixelated; }
.curve { width: 100%; height: auto; }
.curve text { font-size: 11px; fill: currentColor; }
.curve polyline { fill: none; stroke: #0072b2; stroke-width: 1.6; }
.body--dark .curve polyline { stroke: #4aa8e0; }
.compare { --at: 50%; max-width: 34rem; }
.compare .stage { position: relative; }
.compare .after { position: absolute; inset: 0; height: 100%; clip-path: inset(0 0 0 var(--at)); }
.compare .stage::after {
  content: ""; position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px;
  background: #ffffff; box-shadow: 0 0 0 1px #000000;
}
.compare label { display: flex; gap: .5rem; align-items: center; font-size: .9rem; overflow-wrap: anywhere; }
.compare input { flex: 1; min-width: 6rem; }
.comparison .q-select { min-width: 9rem; }
@media (max-width: 44rem) { .columns { grid-template-columns: minmax(0, 1fr); } }
"""
