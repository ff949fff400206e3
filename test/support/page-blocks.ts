/** Finds the code blocks of a Markdown page, so that tests can run them. */

export interface Block {
  /** The text of the nearest heading above the block, whatever its level. */
  readonly heading: string
  readonly language: string
  readonly text: string
  /** The text of an HTML comment in the line above the block. */
  readonly note: string | undefined
}

const headingOrBlock = /^#+ (?<heading>.*)$|(?:^<!-- (?<note>.*) -->\n)?^```(?<language>\w*)\n(?<text>[\s\S]*?)^```$/gm

/** @throws Error if the page has a block that is not closed or is indented: no test would run it */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = []
  let heading = ''
  for (const { groups } of markdown.matchAll(headingOrBlock)) {
    if (groups?.heading !== undefined) heading = groups.heading
    else blocks.push({ heading, language: groups!.language!, text: groups!.text!, note: groups!.note })
  }
  const fences = markdown.match(/^[> \t]*(?:```|~~~)/gm) ?? []
  if (fences.length !== 2 * blocks.length) throw new Error('close every block with ```, and indent none')
  return blocks
}
