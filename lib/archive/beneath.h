/* New files and directories, beneath a directory and nowhere else. */
#ifndef ARCHIVE_BENEATH_H
#define ARCHIVE_BENEATH_H

/* Opens a new file, 0600, and makes the directories that its path needs. A descriptor, or -1 with
 * errno: EEXIST when there is anything of that name, EXDEV or ELOOP when the path leads out or over
 * a link. */
int beneath_create(int dirfd, const char *path);

/* Makes a directory, 0700, and those that its path needs, unless it is there. 0, or -1 as above. */
int beneath_mkdir(int dirfd, const char *path);

/* Opens a directory. A descriptor, or -1 as above. */
int beneath_open(int dirfd, const char *path);

/* Removes everything in a directory. 0, or -1 with errno. */
int beneath_clear(int dirfd);

/* 1 when a directory has nothing in it, 0 when it has, -1 with errno. */
int beneath_is_empty(int dirfd);

#endif
