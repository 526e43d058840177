import { NextResponse } from 'next/server'
import { renew } from 'sealed-session/next'
import { sessions } from '../sessions.js'

export const proxy = (request) => renew(sessions, request, NextResponse.next())

export const config = {
  matcher: [{ source: '/((?!_next/).*)', missing: [{ type: 'header', key: 'next-router-prefetch' }] }],
}
