/** The root key of every world; here by itself, since the databases that worlds copy are made before them. */
export const ROOT_KEY = 'am_test_root_key_of_this_world'
