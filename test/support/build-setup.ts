/** Before the tests: they run the compiled sources, as the server and its threads do. */
import { build } from '../../scripts/build.js'

export default function setup(): void {
  build()
}
