// Light or dark: the system's choice, until somebody presses the button. Nothing is stored.
(() => {
  const root = document.documentElement;
  const button = document.querySelector("button.theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    name();
    dispatchEvent(new Event("themechange"));
  });
  system.addEventListener("change", () => { name(); dispatchEvent(new Event("themechange")); });
  name();
})();
