// SPDX-License-Identifier: GPL-2.0
/*
 * A USB bridge to SPI with a SPI NOR flash behind it, as a gadget of the guest itself
 * (dummy_hcd and raw-gadget). Our own model: of the bridge, a DLN-2, it knows what
 * drivers/mfd/dln2.c and drivers/spi/spi-dln2.c ask for; of the flash, an M25P40, how to
 * read. It is plugged in when it starts, and pulled when it is killed.
 *
 *   usb_bridge SEED     the flash holds bytes that follow from the seed
 */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <linux/usb/raw_gadget.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* With room for the data at the end. */
union event {
	struct usb_raw_event raw;
	uint8_t room[sizeof(struct usb_raw_event) + sizeof(struct usb_ctrlrequest)];
};

#define MAX_DATA	512

union io {
	struct usb_raw_ep_io raw;
	uint8_t room[sizeof(struct usb_raw_ep_io) + MAX_DATA];
};

static int gadget;

static void fatal(const char *what)
{
	perror(what);
	exit(2);
}

/* The flash. */

#define FLASH_SIZE	(512 << 10)

static uint8_t flash[FLASH_SIZE];
static const uint8_t flash_id[] = { 0x20, 0x20, 0x13 };

/* The operation under way: what came in since the flash was selected. */
static uint8_t opcode;
static uint32_t address;
static unsigned int position;

/* splitmix64, as lab/src/image.rs has it. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

	return z ^ (z >> 31);
}

static void flash_fill(uint64_t seed)
{
	uint64_t word;
	size_t i;

	for (i = 0; i < FLASH_SIZE; i += sizeof(word)) {
		word = htole64(next(&seed));
		memcpy(flash + i, &word, sizeof(word));
	}
}

static uint8_t flash_read(unsigned int header)
{
	if (position <= 3)
		return 0xff;
	if (position < header)
		return 0xff;

	return flash[(address + position - header) % FLASH_SIZE];
}

static uint8_t flash_byte(uint8_t in)
{
	uint8_t out = 0xff;

	if (!position) {
		opcode = in;
		address = 0;
	} else if (position <= 3) {
		address = address << 8 | in;
	}

	switch (opcode) {
	case 0x03:
		out = flash_read(4);
		break;
	case 0x0b:
		out = flash_read(5);
		break;
	case 0x05:
		out = 0;
		break;
	case 0x9f:
		if (position && position <= sizeof(flash_id))
			out = flash_id[position - 1];
		break;
	}
	position++;

	return out;
}

static void flash_deselect(void)
{
	position = 0;
}

/* The bridge. */

struct message {
	uint16_t size;
	uint16_t id;
	uint16_t echo;
	uint16_t handle;
} __attribute__((packed));

struct answer {
	struct message head;
	uint16_t result;
	uint8_t data[MAX_DATA - sizeof(struct message) - 2];
} __attribute__((packed));

struct transfer {
	struct message head;
	uint8_t port;
	uint16_t size;
	uint8_t attr;
	uint8_t data[];
} __attribute__((packed));

#define MAX_TRANSFER	256
#define LEAVE_SELECTED	1

static size_t put16(struct answer *to, uint16_t value)
{
	value = htole16(value);
	memcpy(to->data, &value, sizeof(value));

	return sizeof(value);
}

static size_t put32(struct answer *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to->data, &value, sizeof(value));

	return sizeof(value);
}

/* Full duplex, or one of both directions; returns the size of the answer's data. */
static size_t transfer(const struct transfer *from, size_t length, struct answer *to,
		       int writes, int reads)
{
	uint16_t size = le16toh(from->size);
	uint8_t out;
	size_t i;

	if (length < sizeof(*from) || size > MAX_TRANSFER ||
	    (writes && length < sizeof(*from) + size)) {
		to->result = htole16(0x81);
		return 0;
	}

	for (i = 0; i < size; i++) {
		out = flash_byte(writes ? from->data[i] : 0);
		to->data[2 + i] = out;
	}
	if (!(from->attr & LEAVE_SELECTED))
		flash_deselect();
	if (!reads)
		return 0;

	return put16(to, size) + size;
}

static size_t answer(const void *from, size_t length, struct answer *to)
{
	const struct message *head = from;

	memset(to, 0, sizeof(*to));
	switch (le16toh(head->id)) {
	/* The bridge itself: version, serial number. */
	case 0x0030:
		return put32(to, 0x200);
	case 0x0031:
		return put32(to, 1);
	/* SPI: full duplex, read, write. */
	case 0x021a:
		return transfer(from, length, to, 1, 1);
	case 0x021b:
		return transfer(from, length, to, 0, 1);
	case 0x021c:
		return transfer(from, length, to, 1, 0);
	/* Frequency to set, the lowest, the highest. */
	case 0x0218:
	case 0x0245:
	case 0x0246:
		return put32(to, 1000000);
	/* Sizes of frames: one, 8 bits. */
	case 0x0243:
		to->data[0] = 1;
		to->data[1] = 8;
		return 37;
	/* Chip selects. */
	case 0x0244:
		return put16(to, 1);
	/* Enable, disable, mode, frame size, select: done. */
	default:
		return 0;
	}
}

static int ep_in, ep_out;

static void *bridge(void *unused)
{
	static union io in, out;
	struct answer *to = (struct answer *)in.raw.data;
	size_t size;
	int length;

	for (;;) {
		out.raw.ep = ep_out;
		out.raw.length = MAX_DATA;
		length = ioctl(gadget, USB_RAW_IOCTL_EP_READ, &out);
		if (length < (int)sizeof(struct message))
			break;
		size = sizeof(to->head) + sizeof(to->result);
		size += answer(out.raw.data, length, to);
		memcpy(&to->head, out.raw.data, sizeof(to->head));
		to->head.size = htole16(size);
		in.raw.ep = ep_in;
		in.raw.length = size;
		if (ioctl(gadget, USB_RAW_IOCTL_EP_WRITE, &in) < 0)
			break;
	}
	/* Only when the host lets it go. */
	printf("# the bridge ends: %s\n", strerror(errno));

	return unused;
}

/* What USB is to know of it. */

static const struct usb_device_descriptor device = {
	.bLength = USB_DT_DEVICE_SIZE,
	.bDescriptorType = USB_DT_DEVICE,
	.bcdUSB = 0x0200,
	.bDeviceClass = USB_CLASS_VENDOR_SPEC,
	.bMaxPacketSize0 = 64,
	.idVendor = 0xa257,
	.idProduct = 0x2013,
	.bNumConfigurations = 1,
};

/* Without what only audio has, at the end of an endpoint's. */
struct configuration {
	struct usb_config_descriptor config;
	struct usb_interface_descriptor interface;
	uint8_t in[USB_DT_ENDPOINT_SIZE];
	uint8_t out[USB_DT_ENDPOINT_SIZE];
} __attribute__((packed));

/* Endpoints that dummy_hcd has. */
static const struct usb_endpoint_descriptor bulk_in = {
	.bLength = USB_DT_ENDPOINT_SIZE,
	.bDescriptorType = USB_DT_ENDPOINT,
	.bEndpointAddress = USB_DIR_IN | 1,
	.bmAttributes = USB_ENDPOINT_XFER_BULK,
	.wMaxPacketSize = 512,
};

static const struct usb_endpoint_descriptor bulk_out = {
	.bLength = USB_DT_ENDPOINT_SIZE,
	.bDescriptorType = USB_DT_ENDPOINT,
	.bEndpointAddress = USB_DIR_OUT | 2,
	.bmAttributes = USB_ENDPOINT_XFER_BULK,
	.wMaxPacketSize = 512,
};

static struct configuration configuration = {
	.config = {
		.bLength = USB_DT_CONFIG_SIZE,
		.bDescriptorType = USB_DT_CONFIG,
		.wTotalLength = sizeof(configuration),
		.bNumInterfaces = 1,
		.bConfigurationValue = 1,
		.bmAttributes = USB_CONFIG_ATT_ONE,
		.bMaxPower = 50,
	},
	.interface = {
		.bLength = USB_DT_INTERFACE_SIZE,
		.bDescriptorType = USB_DT_INTERFACE,
		.bNumEndpoints = 2,
		.bInterfaceClass = USB_CLASS_VENDOR_SPEC,
	},
};

static void configure(void)
{
	static int started;
	pthread_t thread;

	/* Once: nobody resets it but who finds it. */
	if (started++)
		return;
	ep_in = ioctl(gadget, USB_RAW_IOCTL_EP_ENABLE, &bulk_in);
	ep_out = ioctl(gadget, USB_RAW_IOCTL_EP_ENABLE, &bulk_out);
	if (ep_in < 0 || ep_out < 0)
		fatal("endpoints");
	if (ioctl(gadget, USB_RAW_IOCTL_VBUS_DRAW, 50) || ioctl(gadget, USB_RAW_IOCTL_CONFIGURE, 0))
		fatal("configuration");
	if (pthread_create(&thread, NULL, bridge, NULL))
		fatal("thread");
}

static void send(const void *data, size_t size, size_t wanted)
{
	union io reply = { .raw.length = size < wanted ? size : wanted };

	memcpy(reply.raw.data, data, reply.raw.length);
	/* Fails if the host gave up. */
	ioctl(gadget, USB_RAW_IOCTL_EP0_WRITE, &reply);
}

static void control(const struct usb_ctrlrequest *request)
{
	union io nothing = { .raw.length = 0 };
	uint16_t value = le16toh(request->wValue), length = le16toh(request->wLength);

	if (request->bRequestType == (USB_DIR_IN | USB_TYPE_STANDARD | USB_RECIP_DEVICE) &&
	    request->bRequest == USB_REQ_GET_DESCRIPTOR && value >> 8 == USB_DT_DEVICE) {
		send(&device, sizeof(device), length);
	} else if (request->bRequestType == (USB_DIR_IN | USB_TYPE_STANDARD | USB_RECIP_DEVICE) &&
		   request->bRequest == USB_REQ_GET_DESCRIPTOR && value >> 8 == USB_DT_CONFIG) {
		send(&configuration, sizeof(configuration), length);
	} else if (request->bRequestType == (USB_DIR_OUT | USB_TYPE_STANDARD | USB_RECIP_DEVICE) &&
		   request->bRequest == USB_REQ_SET_CONFIGURATION) {
		configure();
		ioctl(gadget, USB_RAW_IOCTL_EP0_READ, &nothing);
	} else {
		ioctl(gadget, USB_RAW_IOCTL_EP0_STALL, 0);
	}
}

int main(int argc, char **argv)
{
	struct usb_raw_init init = {
		.driver_name = "dummy_udc",
		.device_name = "dummy_udc.0",
		.speed = USB_SPEED_HIGH,
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s SEED\n", argv[0]);
		return 2;
	}
	flash_fill(strtoull(argv[1], NULL, 0));
	memcpy(configuration.in, &bulk_in, sizeof(configuration.in));
	memcpy(configuration.out, &bulk_out, sizeof(configuration.out));

	gadget = open("/dev/raw-gadget", O_RDWR);
	if (gadget < 0)
		fatal("/dev/raw-gadget");
	if (ioctl(gadget, USB_RAW_IOCTL_INIT, &init) || ioctl(gadget, USB_RAW_IOCTL_RUN, 0))
		fatal("no gadget");

	for (;;) {
		union event event = { .raw.length = sizeof(struct usb_ctrlrequest) };

		if (ioctl(gadget, USB_RAW_IOCTL_EVENT_FETCH, &event)) {
			if (errno == EINTR)
				continue;
			fatal("no event");
		}
		if (event.raw.type == USB_RAW_EVENT_CONTROL)
			control((const struct usb_ctrlrequest *)event.raw.data);
	}
}
