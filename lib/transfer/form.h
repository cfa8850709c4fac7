/* What an export is called inside. */
#ifndef TRANSFER_FORM_H
#define TRANSFER_FORM_H

#define FORM_HEAD    "modload-export"
#define FORM_HISTORY "history"
#define FORM_BUNDLES "bundles"
#define FORM_TEXT    "modload export 1\n"

#endif
