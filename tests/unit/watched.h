/* Children that are looked at while they stand still. What is on the disk then is what they would
 * leave if they were killed there: a copy of it is a crash. */
#ifndef UNIT_WATCHED_H
#define UNIT_WATCHED_H

#include "fixture.h"

/* Runs `body` in a child, and calls `look` before its first system call, and after each that may
 * have changed something on the disk, before the next one. 0 when it has ended with 0; -1: this
 * machine lets nobody watch a child. */
int watched(int (*body)(void *arg), void *arg, void (*look)(void *arg), void *look_arg);

/* Runs `body` in a child, and calls `act` once, before its n-th system call (0, 1, 2 ...): somebody
 * else who comes in between. 1; 0 when it had ended before that; -1 as above. The child must end
 * with 0. */
int interrupted(int (*body)(void *arg), void *arg, int n, void (*act)(void *arg), void *act_arg);

#endif
