/** The root key of every world. It has its own file because the templates of databases are made without a world. */
export const ROOT_KEY = 'am_test_root_key_of_this_world'
