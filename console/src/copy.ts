// Copies a text; says so in the page's one live region.

let announce: (message: string) => void = () => {};

export function onAnnounce(listener: (message: string) => void): void {
  announce = listener;
}

export async function copy(text: string, what: string): Promise<void> {
  announce((await write(text)) ? `Copied ${what}` : "The browser does not let this page copy.");
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS, browsers have no clipboard on hosts other than this machine.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
