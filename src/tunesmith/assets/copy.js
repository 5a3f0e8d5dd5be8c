// Commands and options to the clipboard; where there is none, they are selected for the keys.
(() => {
  for (const button of document.querySelectorAll("button.copy")) {
    const name = button.getAttribute("aria-label");
    const say = (words, label) => { button.textContent = words; button.setAttribute("aria-label", label ?? words); };
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.previousElementSibling;
      try {
        await navigator.clipboard.writeText(code.textContent);
        say("Copied");
      } catch {
        getSelection().selectAllChildren(code);
        say("Selected");
      }
      setTimeout(() => say("Copy", name), 2000);
    });
  }
})();
